package import CloudEvents
package import Manifest

/// What a function's document keeps for the OpenWhisk API alone: words that it shows and Weir itself does not need.
package struct OpenWhiskSection: Sendable, Hashable {
    /// `exec.kind` as it was asked for: `python:3.11`, `blackbox` …
    package var kind: String?
    /// `exec.main`, when it was said.
    package var main: String?
    /// `exec.image` of a `blackbox`.
    package var image: String?
    /// Whether the code came as Base64 of bytes.
    package var isBinary: Bool
    /// Whether no code came: an image has its own.
    package var isCodeless: Bool
    /// `major.minor.patch`.
    package var version: String?
    package var publish: Bool
    /// Parameters that are given to the process's environment instead of the arguments, with their values as they came.
    package var initial: JSONObject
    /// `limits.instances`: how many containers of it may run.
    package var instances: Int64?

    package init() {
        isBinary = false
        isCodeless = false
        publish = false
        initial = [:]
    }

    /// - Throws: ``DocumentError`` with the place.
    package init(_ document: DocumentReader) throws(DocumentError) {
        var reader = document
        kind = try reader.string("kind")
        main = try reader.string("main")
        image = try reader.string("image")
        isBinary = try reader.bool("binary") ?? false
        isCodeless = try reader.bool("codeless") ?? false
        version = try reader.string("version")
        publish = try reader.bool("publish") ?? false
        initial = try reader.freeObject("init") ?? [:]
        instances = try reader.integer("instances", in: 0...1_000_000).map { Int64($0) }
        try reader.finish()
    }

    package var document: JSONValue {
        var members = JSONObject()
        members["kind"] = kind.map { .string($0) }
        members["main"] = main.map { .string($0) }
        members["image"] = image.map { .string($0) }
        if isBinary { members["binary"] = true }
        if isCodeless { members["codeless"] = true }
        members["version"] = version.map { .string($0) }
        if publish { members["publish"] = true }
        if !initial.isEmpty { members["init"] = .object(initial) }
        members["instances"] = instances.map { .integer($0) }
        return .object(members)
    }
}
