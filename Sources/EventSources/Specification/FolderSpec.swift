/// A watched folder, as a person specifies it.
package struct FolderSpec: Sendable, Hashable {
    package enum Existing: String, Sendable, Hashable, CaseIterable {
        /// Files that are there at the very first start are announced like new ones.
        case announce
        /// They are only remembered.
        case ignore
    }

    /// Absolute.
    package var directory: String
    package var recursive: Bool
    package var filter: NameFilter
    package var existing: Existing
    /// What is published besides the usual, by the kernel's names: `IN_OPEN`, `IN_ACCESS`, `IN_MODIFY`, `IN_CREATE`.
    package var publish: InotifyMask

    package init(
        directory: String, recursive: Bool = true, filter: NameFilter = NameFilter(), existing: Existing = .announce,
        publish: InotifyMask = []
    ) {
        self.directory = directory
        self.recursive = recursive
        self.filter = filter
        self.existing = existing
        self.publish = publish
    }
}
