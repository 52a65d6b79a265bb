/// Finds installed packages that came with the code.
enum VendoredPackages {
    /// The folders of Python packages, sorted: `site-packages` of a virtual environment (as OpenWhisk's
    /// `virtualenv/lib/python3.11/site-packages`), of a `lib` or `python` folder, or alone, and `vendor`.
    static func python(_ files: [String]) -> [String] {
        var found: Set<String> = []
        for file in files {
            let parts = file.split(separator: "/").dropLast()
            if parts.first == "vendor" { found.insert("vendor") }
            guard let place = parts.firstIndex(of: "site-packages"),
                parts[..<place].allSatisfy({ environments.contains(String($0)) || $0.hasPrefix("python") })
            else { continue }
            found.insert(parts[...place].joined(separator: "/"))
        }
        return found.sorted()
    }

    private static let environments: Set<String> = ["virtualenv", "venv", ".venv", "env", "lib", "lib64", "python"]

    /// Whether the code brings packages of Node.js. The interpreter finds them by itself.
    static func hasNodeModules(_ files: [String]) -> Bool { files.contains { $0.hasPrefix("node_modules/") } }
}
