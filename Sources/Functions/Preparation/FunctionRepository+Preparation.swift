extension FunctionRepository {
    /// What a version needs beside its code: found in the code, or installed and built now.
    ///
    /// - Parameter mayPrepare: off: only what an earlier deployment has prepared.
    func dependencies(
        of spec: FunctionSpec, _ code: StoredCode, mayPrepare: Bool = true
    ) async throws(FunctionError) -> FunctionVersion.Dependencies {
        var dependencies = FunctionVersion.Dependencies()
        if spec.runtime == .python { dependencies.vendored = VendoredPackages.python(code.files) }
        guard let work = try work(for: spec, code) else { return dependencies }
        guard let preparation else {
            throw FunctionError(.unavailable, "this server neither installs packages nor builds programs")
        }
        let order = PreparationOrder(
            runtime: spec.runtime, work: work, content: code.digest, directory: store.folder(code.digest),
            files: code.files, product: spec.handler)
        let layer = mayPrepare ? try await preparation.prepare(order) : await preparation.prepared(order)
        dependencies.layers = layer.map { [$0] } ?? []
        return dependencies
    }

    private func work(
        for spec: FunctionSpec, _ code: StoredCode
    ) throws(FunctionError) -> PreparationOrder.Work? {
        if let requirements = spec.requirements {
            if case .file(let name) = requirements, !code.files.contains(name) {
                throw FunctionError(
                    .invalidCode,
                    "requirements: there is no file \"\(name)\" in the code; it has \(FunctionEntry.list(code.files))")
            }
            return .install(requirements)
        }
        if spec.runtime == .swift, FunctionEntry.isSwiftSource(code) { return .build }
        if spec.runtime == .nodejs, !VendoredPackages.hasNodeModules(code.files),
            let package = try PackageDocument(in: code, at: store.folder(code.digest)), !package.dependencies.isEmpty
        {
            throw FunctionError(
                .invalidCode,
                "package.json asks for \(FunctionEntry.list(package.dependencies)), which the archive does not bring: "
                    + "pack node_modules with it, or say requirements: package.json")
        }
        return nil
    }
}
