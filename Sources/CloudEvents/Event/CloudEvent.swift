/// One CloudEvent 1.0: its context attributes and, as bytes, its data.
///
/// This is the form in which a person or a decoder makes an event. On its way through the server an event travels as an
/// ``EventRecord``, which routes without being taken apart.
public struct CloudEvent: Sendable, Hashable {
    /// What an event carries.
    public enum Payload: Sendable, Hashable {
        /// One JSON value, as its UTF-8 text.
        case json([UInt8])
        /// Anything else, as it is; `datacontenttype` says what.
        case bytes([UInt8])
    }

    /// Identifies the event among those of its `source`.
    public var id: String
    /// The system in which it happened; a URI reference.
    public var source: String
    /// What kind of thing happened.
    public var type: String
    /// What it happened to: for storage events the absolute path or object key as a person writes it.
    public var subject: String?
    /// When it happened, by the record's own word.
    public var time: EventTime?
    /// The media type of the data; JSON when absent.
    public var datacontenttype: String?
    /// Where the schema of the data is; a URI.
    public var dataschema: String?
    /// Extension attributes, in the order in which they were set.
    public var extensions: [Extension]
    /// The data.
    public var data: Payload?

    /// One extension attribute.
    public struct Extension: Sendable, Hashable {
        public var name: String
        public var value: AttributeValue
        public init(name: String, value: AttributeValue) {
            self.name = name
            self.value = value
        }
    }

    public init(
        id: String, source: String, type: String, subject: String? = nil, time: EventTime? = nil,
        datacontenttype: String? = nil, dataschema: String? = nil, extensions: [Extension] = [], data: Payload? = nil
    ) {
        self.id = id
        self.source = source
        self.type = type
        self.subject = subject
        self.time = time
        self.datacontenttype = datacontenttype
        self.dataschema = dataschema
        self.extensions = extensions
        self.data = data
    }

    /// The value of an extension attribute; setting `nil` removes it.
    public subscript(name: String) -> AttributeValue? {
        get { extensions.first { $0.name == name }?.value }
        set {
            if let index = extensions.firstIndex(where: { $0.name == name }) {
                if let newValue { extensions[index].value = newValue } else { extensions.remove(at: index) }
            } else if let newValue {
                extensions.append(Extension(name: name, value: newValue))
            }
        }
    }
}
