import CloudEvents
import Functions

/// Which `exec.kind`s there are and what of Weir runs them.
package struct WhiskRuntimes: Sendable {
    /// One family: `python` with its kinds.
    struct Family: Sendable {
        var name: String
        /// What of Weir runs it.
        var runtime: FunctionVersion.Runtime
        /// Kinds that are told; others of the family run as well when they begin with one of ``prefixes``.
        var kinds: [String]
        var standard: String
        var prefixes: [String]
    }

    let families: [Family]

    package static let standard = WhiskRuntimes(
        families: [
            ("python", "python", ["python:3", "python:3.11", "python:3.12", "python:3.13"], "python:3", ["python:3"]),
            ("nodejs", "nodejs", ["nodejs:18", "nodejs:20", "nodejs:22"], "nodejs:20", ["nodejs:"]),
        ].compactMap { name, word, kinds, standard, prefixes in
            FunctionVersion.Runtime(rawValue: word).map {
                Family(name: name, runtime: $0, kinds: kinds, standard: standard, prefixes: prefixes)
            }
        })

    /// The kind that is meant and what runs it.
    ///
    /// - Throws: 400 with the kinds that there are.
    func resolve(_ kind: String) throws(WhiskError) -> (kind: String, runtime: FunctionVersion.Runtime) {
        for family in families {
            if kind == "\(family.name):default" { return (family.standard, family.runtime) }
            if family.prefixes.contains(where: { kind.hasPrefix($0) && kind.utf8.count > family.name.utf8.count + 1 }),
                kind.dropFirst(family.name.count + 1).utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == 0x2E })
            {
                return (kind, family.runtime)
            }
        }
        let list = (families.flatMap(\.kinds) + ["blackbox", "sequence"]).map { "'\($0)'" }.joined(separator: ", ")
        throw .malformed(
            "The specified runtime '\(kind)' is not supported by this platform. Valid values are: \(list).")
    }

    /// Kinds whose actions are programs once they are compiled, and then speak the ActionLoop: that is run, whatever it
    /// was written in. There are no compilers here.
    static func compiled(_ kind: String) -> String? {
        let parts = kind.split(separator: ":", maxSplits: 1)
        guard parts.count == 2, let usual = programs[String(parts[0])] else { return nil }
        if parts[1] == "default" { return usual }
        return parts[1].utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == 0x2E } ? kind : nil
    }

    private static let programs = ["go": "go:1.20", "rust": "rust:1.34", "swift": "swift:5.7"]

    /// What of Weir runs a kind that was accepted; `nil` for images, programs and sequences.
    package static func runtime(of kind: String) -> String? {
        try? standard.resolve(kind).runtime.rawValue
    }

    /// The kind that a function of Weir has that was not made by this API.
    package static func kind(of runtime: String) -> String {
        standard.families.first { $0.runtime.rawValue == runtime }?.standard
            ?? (runtime == FunctionVersion.Runtime.sequence.rawValue ? "sequence" : "blackbox")
    }

    /// As the root document tells them.
    var document: JSONValue {
        .object(
            JSONObject(
                members: families.map { family in
                    .init(
                        name: family.name,
                        value: .array(
                            family.kinds.map { kind in
                                [
                                    "kind": .string(kind), "image": .string("weir/\(family.name)"),
                                    "default": .bool(kind == family.standard), "deprecated": false, "attached": true,
                                    "requireMain": false,
                                ]
                            }))
                }))
    }
}
