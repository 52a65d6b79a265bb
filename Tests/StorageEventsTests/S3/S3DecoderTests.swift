import CloudEvents
import StorageEvents
import TestSupport
import Testing

@Suite("S3 notifications")
struct S3DecoderTests {
    private func decode(_ value: JSONValue) -> DecodedBatch {
        var batch = DecodedBatch()
        value.encoded().withUnsafeBytes { S3Decoder().decode($0, into: &batch) }
        return batch
    }

    private func record(
        _ name: String, key: String = "a%2Fb+c%20d%zz.txt", source: String = "aws:s3",
        time: String = "2026-05-20T12:00:00.000Z"
    ) -> JSONValue {
        [
            "eventVersion": "2.1", "eventSource": .string(source), "eventTime": .string(time),
            "eventName": .string(name),
            "awsRegion": "us-west-2",
            "s3": [
                "bucket": ["name": "b"], "object": ["key": .string(key), "sequencer": "0A", "size": 5_000_000_000],
            ],
        ]
    }

    @Test(
        "names become types",
        arguments: [
            ("ObjectCreated:CompleteMultipartUpload", "dev.weir.file.written"),
            ("s3:ObjectRemoved:Delete", "dev.weir.file.deleted"),
            ("LifecycleExpiration:Delete", "dev.weir.file.deleted"),
            ("ObjectRestore:Completed", "dev.weir.file.staged"),
            ("ObjectRestore:Post", "com.amazonaws.s3.ObjectRestore:Post"),
            ("ObjectTagging:Put", "dev.weir.file.attributes"),
            ("ObjectAcl:Put", "dev.weir.file.attributes"),
            ("s3:ObjectAccessed:Get", "com.amazonaws.s3.ObjectAccessed:Get"),
            ("ReducedRedundancyLostObject", "com.amazonaws.s3.ReducedRedundancyLostObject"),
        ])
    func types(_ name: String, _ type: String) {
        #expect(decode(["Records": [record(name)]]).records.map(\.event.type) == [type])
    }

    @Test("keys are decoded as each dialect writes them")
    func keys() {
        func key(_ value: JSONValue) -> String? { decode(value).records.first?.event.subject }
        let name = "ObjectCreated:Put"
        #expect(key(["Records": [record(name)]]) == "a/b c d%zz.txt")
        #expect(key(["Records": [record(name, source: "ceph:s3")]]) == "a%2Fb+c%20d%zz.txt")
        #expect(key(["Records": [record(name, time: "2026-05-20T12:00:00.123456Z")]]) == "a%2Fb+c%20d%zz.txt")
        #expect(
            key(["EventName": "s3:ObjectCreated:Put", "Key": "b/k", "Records": [record("s3:" + name)]])
                == "a/b c d%zz.txt")
        #expect(
            key([
                "detail-type": "Object Created", "time": "2026-05-20T12:00:00Z", "region": "r",
                "detail": ["bucket": ["name": "b"], "object": ["key": "x+y"], "reason": "PutObject"],
            ]) == "x+y")
    }

    @Test("sizes beyond 32 bits are text, with mebibytes beside")
    func sizes() {
        let event = decode(["Records": [record("ObjectCreated:Put")]]).records.first?.event
        #expect(event?["filesize"] == .string("5000000000") && event?["filesizemib"] == .integer(4_769))
        #expect(event?.source == "s3://s3.us-west-2.amazonaws.com/b")
        #expect(event?["partitionkey"] == .string("b/a"))
    }

    @Test("what is wrong is named by its path, and the other records are read")
    func failures() {
        var wrong = record("ObjectCreated:Put").object ?? JSONObject()
        wrong["eventVersion"] = "3.0"
        let batch = decode(["Records": [.object(wrong), record("ObjectCreated:Put"), ["eventName": "x"], 7]])
        #expect(batch.records.count == 1)
        #expect(
            batch.failures.map(\.path) == ["$.Records[0].eventVersion", "$.Records[2].s3.bucket.name", "$.Records[3]"])
        #expect(decode(["Records": 1]).failures.map(\.path) == ["$.Records"])
        #expect(decode(["a": 1]).failures.map(\.path) == ["$.Records"])
        #expect(decode(["Service": "Amazon S3", "Event": "s3:TestEvent"]).ignored == 1)
    }

    @Test("envelopes of SNS and SQS are opened, and messages about a subscription passed over")
    func envelopes() {
        let notification: JSONValue = ["Records": [record("ObjectCreated:Put")]]
        let topic: JSONValue = [
            "Type": "Notification", "TopicArn": "arn:aws:sns:r:1:t", "Message": .string(notification.text),
        ]
        #expect(decode(topic).records.count == 1)
        let queue: JSONValue = ["Messages": [["MessageId": "1", "Body": .string(topic.text)]]]
        #expect(decode(queue).records.count == 1)
        let lambda: JSONValue = ["Records": [["EventSource": "aws:sns", "Sns": topic]]]
        #expect(decode(lambda).records.map(\.event) == decode(notification).records.map(\.event))
        #expect(decode(["Type": "SubscriptionConfirmation", "Message": "m", "SubscribeURL": "u"]).ignored == 1)
        let broken = decode(["Type": "Notification", "Message": "no json"])
        #expect(broken.failures.map(\.path) == ["$.Message"])
        var deep = notification
        for _ in 0..<6 { deep = ["Type": "Notification", "Message": .string(deep.text)] }
        #expect(decode(deep).failures.count == 1)
    }

    @Test("Onedata's triggers have the shape of S3's envelope")
    func onedata() {
        let event = decode([
            "Key": "/space/file",
            "Records": [
                [
                    "objectKey": "file", "objectId": "7", "eventSource": "OneTrigger",
                    "eventTime": "2026-05-20T12:00:00.5",
                ]
            ],
        ]).records.first?.event
        #expect(event?.type == "dev.weir.file.written" && event?.subject == "/space/file")
        #expect(event?.time?.text == "2026-05-20T12:00:00.5Z" && event?["storagesystem"] == .string("onedata"))
    }
}
