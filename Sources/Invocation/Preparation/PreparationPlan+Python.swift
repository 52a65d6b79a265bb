internal import Functions

extension PreparationPlan {
    /// Installs Python packages with `pip` into one folder.
    ///
    /// - Parameters:
    ///   - target: the interpreter that will import them.
    ///   - installer: one that has `pip`; another than the target can install built packages for it.
    static func python(
        _ requirements: Requirements, _ order: PreparationOrder, _ paths: PreparationPaths,
        target: Interpreter, installer: Interpreter, _ configuration: PreparationConfiguration
    ) throws(FunctionError) -> PreparationPlan {
        let file: RequirementsFile
        switch requirements {
        case .file(let name): file = try RequirementsFile(name, in: order.directory)
        case .list(let lines): file = try RequirementsFile(lines)
        }
        // Constraints are named by where the code lies for the server.
        let text = file.lines.map { $0.replacing("-c \(order.directory)/", with: "-c \(paths.code)/") }
            .joined(separator: "\n")

        var pip = [
            installer.program, "-I", "-m", "pip", "install", "--target", paths.output, "--no-compile", "--no-input",
            "--no-cache-dir", "--disable-pip-version-check", "--no-warn-script-location", "--progress-bar", "off",
        ]
        let isForeign = installer.program != target.program
        let wheelsOnly = configuration.installs != .all || isForeign
        // A source package runs its own code when it is installed.
        if wheelsOnly { pip += ["--only-binary", ":all:"] }
        if isForeign { pip += ["--python-version", target.version, "--implementation", "cp"] }
        let usesNetwork = configuration.installs != .none
        if usesNetwork {
            if let index = configuration.pythonIndex { pip += ["--index-url", index] }
        } else {
            pip.append("--no-index")
        }
        // Packages that lie in the archive come first.
        for folder in Set(order.files.filter { $0.hasSuffix(".whl") }.map(Self.folder)).sorted() {
            pip += ["--find-links", folder.isEmpty ? paths.code : "\(paths.code)/\(folder)"]
        }
        pip += ["-r", "\(paths.scratch)/requirements.txt"]

        let wheels = order.files.contains { $0.hasSuffix(".whl") }
        let key = [
            "python", target.version, wheelsOnly ? "wheels" : "all", configuration.pythonIndex ?? "",
            file.usesCode || wheels ? order.content : "", text,
        ].joined(separator: "\u{0}")
        return PreparationPlan(
            kind: .python, key: key,
            steps: [
                Step(
                    name: "pip", arguments: pip, usesNetwork: usesNetwork, folders: installer.folders),
                compile(paths, target),
            ],
            files: [File(name: "requirements.txt", content: Array((text + "\n").utf8))])
    }

    /// Compiles what was installed, so that not every worker has to. What does not compile is none of our business.
    private static func compile(_ paths: PreparationPaths, _ target: Interpreter) -> Step {
        Step(
            name: "compileall",
            arguments: [
                target.program, "-I", "-S", "-E", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash",
                "-s", paths.output, "-p", "/", paths.output,
            ], isRequired: false, folders: target.folders)
    }

    private static func folder(_ file: String) -> String {
        file.split(separator: "/").dropLast().joined(separator: "/")
    }
}
