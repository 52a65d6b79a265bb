/// Which watch stands for which directory.
struct FolderWatches {
    private var paths: [Int32: String] = [:]
    private var numbers: [String: Int32] = [:]

    var count: Int { paths.count }

    subscript(number: Int32) -> String? { paths[number] }

    func number(of path: String) -> Int32? { numbers[path] }

    /// Every directory that is watched, in order.
    var directories: [String] { numbers.keys.sorted() }

    mutating func set(_ number: Int32, _ path: String) {
        if let old = paths[number] { numbers[old] = nil }
        if let old = numbers[path] { paths[old] = nil }
        paths[number] = path
        numbers[path] = number
    }

    mutating func remove(_ number: Int32) {
        guard let path = paths.removeValue(forKey: number) else { return }
        numbers[path] = nil
    }

    /// Forgets a directory and all below and returns their watches.
    mutating func removeTree(_ path: String) -> [Int32] {
        let below = path + "/"
        let found = paths.filter { $0.value == path || $0.value.hasPrefix(below) }
        for (number, directory) in found {
            paths[number] = nil
            numbers[directory] = nil
        }
        return Array(found.keys)
    }

    /// A directory and all below have got another path.
    mutating func move(_ path: String, to target: String) {
        let below = path + "/"
        for (number, directory) in paths where directory == path || directory.hasPrefix(below) {
            numbers[directory] = nil
            let moved = target + directory.dropFirst(path.count)
            paths[number] = moved
            numbers[moved] = number
        }
    }
}
