internal import CLinux
internal import Glibc

/// As whom an image's program runs.
struct ImageUser: Sendable, Hashable {
    var user: Int64
    var group: Int64
    var groups: [Int64] = []
    /// The home folder, from the image's table.
    var home = "/"

    static let maximum: Int64 = 65_535

    /// Looks names up in the image's own tables.
    ///
    /// - Parameters:
    ///   - text: `user`, `user:group`, each a name or a number; empty: root.
    ///   - passwords: the text of `/etc/passwd`; empty when there is none.
    ///   - groups: the text of `/etc/group`.
    init(_ text: String, passwords: String, groups table: String) throws(ContainerError) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let name = parts.first.flatMap { $0.isEmpty ? nil : $0 } ?? "0"
        let people = Self.table(passwords)
        let found = people.first { $0[0] == name } ?? people.first { $0.count > 2 && $0[2] == name }
        if let number = Self.number(name) {
            user = number
        } else if let found, found.count > 3, let number = Self.number(found[2]) {
            user = number
        } else {
            throw ContainerError(
                .invalidImage,
                "the image runs as \"\(name)\", whom its /etc/passwd does not know: give a number (0 to 65535)")
        }
        group = found.flatMap { $0.count > 3 ? Self.number($0[3]) : nil } ?? 0
        if let found, found.count > 5, found[5].hasPrefix("/") { home = found[5] }
        let all = Self.table(table)
        if parts.count == 2, !parts[1].isEmpty {
            if let number = Self.number(parts[1]) {
                group = number
            } else if let found = all.first(where: { $0[0] == parts[1] }), found.count > 2,
                let number = Self.number(found[2])
            {
                group = number
            } else {
                throw ContainerError(
                    .invalidImage, "the image runs as group \"\(parts[1])\", which its /etc/group does not know")
            }
        } else if let login = found?[0] {
            groups = all.compactMap { entry in
                guard entry.count > 3, entry[3].split(separator: ",").contains(Substring(login)) else { return nil }
                return Self.number(entry[2])
            }
        }
    }

    private static func table(_ text: String) -> [[String]] {
        text.split(whereSeparator: \.isNewline).prefix(10_000).map { line in
            line.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        }
    }

    private static func number(_ text: String) -> Int64? {
        guard let number = Int64(text), (0...maximum).contains(number), text.first != "+" else { return nil }
        return number
    }
}

extension UnpackedImage {
    /// A small file of the image, looked for in the highest layer that has it; empty when none has, or when it is no
    /// plain file.
    func text(of path: String) -> String {
        for layer in layers.reversed() {
            let root = open(layer, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            guard root >= 0 else { continue }
            defer { close(root) }
            // The layer is a stranger's: its links must not lead to tables of this machine.
            let file = weir_open_in_root(root, path, O_RDONLY | O_NONBLOCK, 0)
            if file < 0 {
                if errno == ENOENT || errno == ENOTDIR { continue }
                return ""
            }
            defer { close(file) }
            var status = stat()
            guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size <= 4 << 20 else {
                return ""
            }
            let text = [UInt8](unsafeUninitializedCapacity: Int(status.st_size)) { buffer, count in
                count = max(0, read(file, buffer.baseAddress, buffer.count))
            }
            return String(decoding: text, as: UTF8.self)
        }
        return ""
    }

    /// As whom its program runs.
    func user() throws(ContainerError) -> ImageUser {
        try ImageUser(configuration.user, passwords: text(of: "etc/passwd"), groups: text(of: "etc/group"))
    }
}
