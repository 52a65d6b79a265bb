import Foundation

/// A folder of its own for one test, removed when the value goes.
public final class TemporaryDirectory: Sendable {
    public let path: String

    public init(_ label: String = "weir") throws {
        path = NSTemporaryDirectory() + "\(label)-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    public func file(_ name: String) -> String { path + "/" + name }
}

/// The handed-out sample data beside the checkout, `nil` where it is absent.
public enum Fixtures {
    /// The folder `shared/fixtures/<name>` beside the package's folder.
    public static func directory(_ name: String, file: String = #filePath) -> String? {
        var url = URL(fileURLWithPath: file)
        while url.path != "/" {
            url.deleteLastPathComponent()
            let candidate = url.appendingPathComponent("shared/fixtures/\(name)").path
            if FileManager.default.fileExists(atPath: candidate) { return candidate }
        }
        return nil
    }

    /// Every file below a folder whose name passes, sorted, absolute.
    public static func files(under directory: String, where matches: (String) -> Bool) -> [String] {
        guard let walk = FileManager.default.enumerator(atPath: directory) else { return [] }
        return walk.compactMap { $0 as? String }.filter(matches).sorted().map { directory + "/" + $0 }
    }
}

/// A small seeded generator (SplitMix64), so that a random test can be run again.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64
    public let seed: UInt64

    /// `seed`, or `WEIR_SEED` of the environment, or one of the clock; print it in the test.
    public init(seed: UInt64? = nil) {
        let environment = ProcessInfo.processInfo.environment["WEIR_SEED"].flatMap { UInt64($0) }
        self.seed = seed ?? environment ?? UInt64(Date().timeIntervalSince1970 * 1_000_000)
        state = self.seed
    }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
