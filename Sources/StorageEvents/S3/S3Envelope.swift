import CloudEvents

/// What AWS's services wrap around a notification on its way: SNS (`Message`), SQS (`body`, or `Body` as its API says it).
enum S3Envelope {
    /// The text in the envelope; `nil` when the value is none.
    static func text(in value: JSONValue) -> (name: String, text: String)? {
        // An SNS message says of which kind it is; a Lambda's record of it is the message itself.
        if let text = value["Message"]?.string, value["TopicArn"]?.string != nil || value["Type"]?.string != nil {
            return ("Message", text)
        }
        for name in ["body", "Body"] {
            if let text = value[name]?.string, value["messageId"] != nil || value["MessageId"] != nil {
                return (name, text)
            }
        }
        return nil
    }

    /// SNS asks for a subscription's confirmation, or tells that it has ended.
    static func isAboutSubscription(_ value: JSONValue) -> Bool {
        let type = value["Type"]?.string
        return type == "SubscriptionConfirmation" || type == "UnsubscribeConfirmation"
    }
}

/// A record of Onedata's OneTrigger, which has the shape of S3's envelope: `{"Key": "/space/file", "Records": [{
/// "objectKey": "file", "objectId": …, "eventTime": …, "eventSource": "OneTrigger"}]}`.
struct OneTriggerRecord {
    let record: JSONValue
    let envelope: JSONValue
    let path: String

    init(_ record: JSONValue, envelope: JSONValue, path: String) {
        self.record = record
        self.envelope = envelope
        self.path = path
    }

    func event(system: String?) -> Result<CloudEvent, S3Problem> {
        guard let key = envelope["Key"]?.string ?? record["objectKey"]?.string, !key.isEmpty else {
            return .failure(S3Problem(path: "\(path).objectKey", reason: "the record has no such member"))
        }
        let bytes = record.encoded()
        var event = ProducerEvent(
            system: "onedata", source: "onedata://" + URIText.host(system), type: "dev.weir.file.written",
            native: .json(bytes))
        event.subject = key
        event.part = key
        event.time = record["eventTime"]?.string.flatMap(ProducerTime.utc)
        event.fileID = record["objectId"]?.string
        event.put("path", key)
        event.put("objectId", event.fileID)
        return .success(event.record.event)
    }
}
