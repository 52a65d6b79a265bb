import CloudEvents
import StorageEvents

/// The decoder of a format that `stdin` reads.
func makeStandardInputDecoder(_ format: String) throws(SourceError) -> any LineDecoding {
    throw SourceError(.unsupported, "Lines of the format \"\(format)\" cannot be read.")
}
