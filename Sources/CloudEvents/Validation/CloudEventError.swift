/// Why an event was refused: what is wrong with which attribute, in words for the person who made it.
public struct CloudEventError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kind of fault, for programs.
    public enum Code: String, Sendable {
        /// A required attribute is absent.
        case missingAttribute
        /// An attribute is present but empty where the specification wants content.
        case emptyAttribute
        /// A name that no attribute may have.
        case invalidName
        /// An attribute stands twice.
        case duplicateAttribute
        /// A value against the rules of its attribute.
        case invalidValue
        /// A value of a kind that its attribute cannot have.
        case wrongType
        /// Another version of CloudEvents than 1.0.
        case unsupportedVersion
        /// More attributes than are taken.
        case tooManyAttributes
        /// The data is not what its media type says, or stands twice.
        case invalidData
        /// The text is not JSON.
        case invalidJSON
        /// JSON, but not of the shape of an event.
        case notAnEvent
        /// A format, or a character set, that is not understood here.
        case unsupportedFormat
    }

    public let code: Code
    /// The attribute at fault; `data` and `data_base64` for the data; `nil` when it is not about one.
    public let attribute: String?
    /// Which event of a batch, from 0; `nil` outside a batch.
    public let index: Int?
    /// A sentence without its full stop, which names the attribute and says what was expected.
    public let reason: String

    package init(_ code: Code, _ attribute: String?, _ reason: String, index: Int? = nil) {
        self.code = code
        self.attribute = attribute
        self.reason = reason
        self.index = index
    }

    /// The reason, with the place in a batch in front.
    public var message: String { index.map { "[\($0)]: \(reason)" } ?? reason }

    public var description: String { message }

    package func at(index: Int) -> CloudEventError { CloudEventError(code, attribute, reason, index: index) }
}
