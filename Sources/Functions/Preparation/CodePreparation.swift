/// Work that has to be done once before a version can run: installing what it depends on, building its program.
package struct PreparationOrder: Sendable, Hashable {
    package enum Work: Sendable, Hashable {
        /// A list of packages to install.
        case install(Requirements)
        /// A program to build of the code.
        case build
    }

    package var runtime: FunctionVersion.Runtime
    package var work: Work
    /// The code's digest, its folder, and the files in it.
    package var content: String
    package var directory: String
    package var files: [String]
    /// The program that is wanted of a package with several.
    package var product: String?

    package init(
        runtime: FunctionVersion.Runtime, work: Work, content: String, directory: String, files: [String],
        product: String? = nil
    ) {
        self.runtime = runtime
        self.work = work
        self.content = content
        self.directory = directory
        self.files = files
        self.product = product
    }
}

/// The packages that a function declares.
package enum Requirements: Sendable, Hashable {
    /// A file of the code: `requirements.txt`, or a `package.json`.
    case file(String)
    /// The lines themselves.
    case list([String])
}

/// Does the work, on the machine or wherever that is done.
package protocol CodePreparation: Sendable {
    /// Does it, unless the same was done before and is still there.
    ///
    /// - Throws: `preparation` with the last lines of what the installer or the compiler said; nothing stays then.
    func prepare(_ order: PreparationOrder) async throws(FunctionError) -> FunctionVersion.Layer

    /// What an earlier ``prepare(_:)`` made; `nil` when it has to be done.
    func prepared(_ order: PreparationOrder) async -> FunctionVersion.Layer?
}
