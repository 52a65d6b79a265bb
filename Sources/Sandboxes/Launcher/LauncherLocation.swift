internal import Glibc

/// Where the launcher program is.
package enum LauncherLocation {
    /// The name of the program.
    package static var programName: String { "weir-launcher" }

    /// `weir-launcher` beside this program, or (a test bundle's runner) beside a folder's argument; `nil` if not there.
    package static func beside(_ directories: [String] = []) -> String? {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = buffer.withUnsafeMutableBytes { bytes in
            bytes.baseAddress.map { readlink("/proc/self/exe", $0.assumingMemoryBound(to: CChar.self), bytes.count) }
                ?? -1
        }
        var candidates = directories
        if count > 0 { candidates.append(directory(of: String(decoding: buffer[..<count], as: UTF8.self))) }
        // swift test runs a bundle through a helper of the toolchain: the bundle's path stands among the arguments.
        for argument in CommandLine.arguments where argument.contains(".xctest") {
            candidates.append(directory(of: directory(of: argument)))
            candidates.append(directory(of: argument))
        }
        return candidates.map { $0 + "/" + programName }.first { access($0, X_OK) == 0 }
    }

    private static func directory(of path: String) -> String {
        path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    }
}
