/// The small file that says up to which offset retention has removed events.
///
/// It is written before anything is removed: a segment that is missing above the floor is a loss, below it is none.
enum RetentionFloor {
    static let name = "floor"

    static func write(_ floor: UInt64, _ directory: String, _ fileSystem: any LogFileSystem) throws(SystemError) {
        var writer = ByteWriter()
        writer.put("WEIRFLR1")
        writer.put(floor)
        writer.seal()
        try fileSystem.replace(name, in: directory, with: writer.bytes)
    }

    /// - Returns: `nil` when retention has never removed anything, or the file is damaged.
    static func read(_ directory: String, _ fileSystem: any LogFileSystem) throws(SystemError) -> UInt64? {
        guard let bytes = try fileSystem.contents("\(directory)/\(name)"),
            var reader = ByteReader(sealed: bytes[...], magic: "WEIRFLR1")
        else { return nil }
        return reader.take(UInt64.self)
    }
}
