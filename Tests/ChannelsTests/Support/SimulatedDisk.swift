import Channels
import Glibc
import Synchronization
import TestSupport

/// A disk in memory that forgets what was not synced when its power is cut, and fails when told to.
final class SimulatedDisk: Sendable {
    enum Call: Sendable, Hashable { case open, write, read, sync, truncate, unlink, rename, syncDirectory }

    enum Fault: Sendable {
        case error(Int32)
        /// Only so many bytes are read or written.
        case short(Int)
    }

    struct Node {
        enum Change {
            case write(Int, [UInt8])
            case truncate(Int)
        }
        var bytes: [UInt8] = []
        var durable: [UInt8] = []
        var pending: [Change] = []
    }

    struct State {
        var names: [String: Int] = [:]
        var durableNames: [String: Int] = [:]
        var nodes: [Int: Node] = [:]
        var directories: Set<String> = []
        var locks: Set<String> = []
        /// Counts power cuts; what was opened before one is dead.
        var epoch = 0
        var lastNode = 0
        /// Bytes that can still be written; `nil`: no end.
        var free: Int?
        /// Calls that change something, counted; at this number the power fails.
        var cutAt: Int?
        var changes = 0
        var fault: (@Sendable (Call, String) -> Fault?)?
        var syncs = 0
    }

    let state = Mutex(State())

    /// A view of the disk that dies with the next power cut.
    var mounted: MountedDisk { MountedDisk(disk: self, epoch: state.withLock { $0.epoch }) }

    func setFault(_ fault: (@Sendable (Call, String) -> Fault?)?) { state.withLock { $0.fault = fault } }

    func setFree(_ bytes: Int?) { state.withLock { $0.free = bytes } }

    var syncs: Int { state.withLock { $0.syncs } }

    func paths(_ suffix: String) -> [String] {
        state.withLock { $0.names.keys.filter { $0.hasSuffix(suffix) }.sorted() }
    }

    func contents(_ path: String) -> [UInt8] {
        state.withLock { state in state.names[path].flatMap { state.nodes[$0]?.bytes } ?? [] }
    }

    /// Changes a file behind everybody's back.
    func damage(_ path: String, _ change: (inout [UInt8]) -> Void) {
        state.withLock { state in
            guard let node = state.names[path] else { return }
            change(&state.nodes[node]!.bytes)
            state.nodes[node]!.durable = state.nodes[node]!.bytes
        }
    }

    func flip(_ path: String, at position: Int) { damage(path) { $0[position] ^= 0x10 } }

    func remove(_ path: String) {
        state.withLock {
            $0.names[path] = nil
            $0.durableNames[path] = nil
        }
    }

    /// The process is killed, the machine lives on: everything written is there.
    func kill() {
        state.withLock { state in
            state.epoch += 1
            state.locks = []
        }
    }

    /// The power fails: of what was not synced any part may be there, torn at any byte, in any order.
    func cutPower(_ generator: inout SeededGenerator) {
        var random = generator
        state.withLock { state in
            state.epoch += 1
            state.locks = []
            state.cutAt = nil
            for path in Set(state.names.keys).union(state.durableNames.keys).sorted()
            where state.names[path] != state.durableNames[path] && Bool.random(using: &random) {
                state.durableNames[path] = state.names[path]
            }
            state.names = state.durableNames
            for id in state.nodes.keys.sorted() {
                state.nodes[id]!.durable = Self.survivor(of: state.nodes[id]!, &random)
                state.nodes[id]!.bytes = state.nodes[id]!.durable
                state.nodes[id]!.pending = []
            }
        }
        generator = random
    }

    private static func survivor(of node: Node, _ random: inout SeededGenerator) -> [UInt8] {
        var bytes = node.durable
        guard !node.pending.isEmpty else { return bytes }
        let inOrder = Bool.random(using: &random)
        let kept = Int.random(in: 0...node.pending.count, using: &random)
        for (index, change) in node.pending.enumerated() {
            if inOrder, index > kept { break }
            switch change {
            case .truncate(let size): resize(&bytes, size)
            case .write(let position, let data):
                if inOrder {
                    let count = index < kept ? data.count : Int.random(in: 0...data.count, using: &random)
                    put(&bytes, position, Array(data[..<count]))
                } else {
                    var at = 0
                    while at < data.count {
                        let end = min(data.count, at + 64 - (position + at) % 64)
                        if Bool.random(using: &random) { put(&bytes, position + at, Array(data[at..<end])) }
                        at = end
                    }
                }
            }
        }
        return bytes
    }

    static func put(_ bytes: inout [UInt8], _ position: Int, _ data: [UInt8]) {
        guard !data.isEmpty else { return }
        if bytes.count < position + data.count { resize(&bytes, position + data.count) }
        bytes.replaceSubrange(position..<(position + data.count), with: data)
    }

    static func resize(_ bytes: inout [UInt8], _ size: Int) {
        if bytes.count > size {
            bytes.removeLast(bytes.count - size)
        } else {
            bytes.append(contentsOf: [UInt8](repeating: 0, count: size - bytes.count))
        }
    }
}
