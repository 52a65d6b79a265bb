import Foundation
import Synchronization
public import Testing

/// Lets only a few tests of the process run side by side: those that start servers and sandboxes. The testing library
/// begins all at once, and a hundred launchers on two cores keep each other from starting in time.
public struct FewAtATime: SuiteTrait, TestTrait, TestScoping {
    public var isRecursive: Bool { true }

    public func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        await Self.turnstile.enter()
        defer { Self.turnstile.leave() }
        try await function()
    }

    private static let turnstile = Turnstile(width: max(6, ProcessInfo.processInfo.activeProcessorCount * 3))
}

extension Trait where Self == FewAtATime {
    /// A few tests at a time, of all that have this trait.
    public static var fewAtATime: Self { Self() }
}

/// Who comes first goes first.
private final class Turnstile: Sendable {
    private struct State {
        var free: Int
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state: Mutex<State>

    init(width: Int) { state = Mutex(State(free: width)) }

    func enter() async {
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                guard state.free > 0 else {
                    state.waiting.append(continuation)
                    return false
                }
                state.free -= 1
                return true
            }
            if isFree { continuation.resume() }
        }
    }

    func leave() {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard !state.waiting.isEmpty else {
                state.free += 1
                return nil
            }
            return state.waiting.removeFirst()
        }
        next?.resume()
    }
}
