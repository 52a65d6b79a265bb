/// The billing files of a directory: flat, or in `YYYY/MM`, or both.
package struct BillingCatalog: Sendable {
    /// One day's file, plain or packed or both.
    package struct File: Sendable, Hashable {
        /// The plain file's path below the directory; names the file in positions.
        package var name: String
        package var date: BillingName
        package var hasPlain: Bool
        package var hasPacked: Bool
    }

    /// In the order of their dates.
    package private(set) var files: [File] = []
    /// Every directory that may get files, to be watched; absolute.
    package private(set) var directories: [String] = []
    /// What could not be listed.
    package private(set) var problems: [FileError] = []

    /// Lists a directory.
    ///
    /// - Throws: the directory itself cannot be listed; folders below that cannot are in `problems`.
    package init(_ root: String, files access: any FileAccess) throws(FileError) {
        var found: [String: File] = [:]
        var queue: [(relative: String, depth: Int)] = [("", 0)]
        while let (relative, depth) = queue.popLast() {
            let path = relative.isEmpty ? root : root + "/" + relative
            let names: [[UInt8]]
            do {
                names = try access.list(path)
            } catch {
                if depth == 0 { throw error }
                problems.append(error)
                continue
            }
            directories.append(path)
            let prefix = relative.isEmpty ? "" : relative + "/"
            for bytes in names {
                let name = String(decoding: bytes, as: UTF8.self)
                if let date = BillingName(name) {
                    let plain = prefix + (date.isPacked ? String(name.dropLast(4)) : name)
                    var file = found[plain] ?? File(name: plain, date: date, hasPlain: false, hasPacked: false)
                    if date.isPacked { file.hasPacked = true } else { file.hasPlain = true }
                    found[plain] = file
                } else if depth < 2, bytes.count == (depth == 0 ? 4 : 2), bytes.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 })
                {
                    queue.append((prefix + name, depth + 1))
                }
            }
        }
        files = found.values.sorted { ($0.date.order, $0.name) < ($1.date.order, $1.name) }
    }
}
