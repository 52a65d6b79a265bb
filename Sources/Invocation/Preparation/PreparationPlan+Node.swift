internal import CloudEvents
internal import Foundation
internal import Functions

extension PreparationPlan {
    /// Installs packages of Node.js with `npm`.
    ///
    /// - Parameter npm: the script that `npm` is.
    static func node(
        _ requirements: Requirements, _ order: PreparationOrder, _ paths: PreparationPaths, target: Interpreter,
        npm: String, _ configuration: PreparationConfiguration
    ) throws(FunctionError) -> PreparationPlan {
        let usesNetwork = configuration.installs != .none
        var options = ["--omit=dev", "--no-audit", "--no-fund", "--no-update-notifier", "--install-links"]
        // A package's scripts are code that runs when it is installed.
        if configuration.installs != .all { options.append("--ignore-scripts") }
        if !usesNetwork { options.append("--offline") }
        if usesNetwork, let registry = configuration.nodeRegistry { options.append("--registry=\(registry)") }
        var plan = PreparationPlan(kind: .nodejs, key: "", steps: [], member: "node_modules")
        var key = ["nodejs", target.version, configuration.installs.rawValue, configuration.nodeRegistry ?? ""]
        var command: [String]
        var folder = paths.output
        switch requirements {
        case .list(let packages):
            command = ["install"] + packages
            key += packages
        case .file(let name):
            // Packages may be named by their place in the code, and a lock file says what is meant exactly.
            plan.copiesCode = .toOutput
            let above = name.split(separator: "/").dropLast().joined(separator: "/")
            if !above.isEmpty {
                folder += "/" + above
                plan.member = above + "/node_modules"
            }
            let lock = above.isEmpty ? "package-lock.json" : above + "/package-lock.json"
            command = [order.files.contains(lock) ? "ci" : "install"]
            key.append(order.content)
            key.append(name)
        }
        plan.key = key.joined(separator: "\u{0}")
        plan.steps = [
            Step(
                name: "npm", arguments: [target.program, npm] + command + options + ["--prefix", folder],
                usesNetwork: usesNetwork, folders: target.folders + [FolderPath.parent(FolderPath.parent(npm))])
        ]
        return plan
    }
}
