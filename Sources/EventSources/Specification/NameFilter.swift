/// Which files of a folder are announced: all, or those that an `include` matches, less those that an `exclude` matches.
package struct NameFilter: Sendable, Hashable {
    package var include: [Glob]
    package var exclude: [Glob]

    package init(include: [Glob] = [], exclude: [Glob] = []) {
        self.include = include
        self.exclude = exclude
    }

    /// - Parameter path: relative to the folder.
    package func admitsFile(_ path: String) -> Bool {
        (include.isEmpty || include.contains { $0.matches(path) }) && !exclude.contains { $0.matches(path) }
    }

    /// An excluded directory is not entered; `include` speaks of files only.
    package func admitsDirectory(_ path: String) -> Bool { !exclude.contains { $0.matches(path) } }
}
