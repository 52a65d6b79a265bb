package import CloudEvents

/// A file of configuration in YAML (or JSON, which is YAML).
package enum YAMLDocument {
    /// - Parameter file: its name, for messages.
    package static func read(_ text: String, file: String) throws(ManifestError) -> JSONValue {
        var reader = YAMLReader(file: file)
        return try reader.read(text)
    }
}
