import CloudEvents
import Testing

@testable import Delivery

@Suite("Templates")
struct TemplateTests {
    private func facts(
        _ data: String = #"{"size": 7, "path": "/a b", "deep": {"list": [1, {"x": true}]}, "none": null}"#
    ) -> EventFacts {
        var event = CloudEvent(
            id: "1", source: "dcache://d", type: "dev.weir.file.written", subject: "/a/ü",
            time: EventTime("2026-05-20T23:59:58.5-02:00"), data: .json(Array(data.utf8)))
        event["filesizemib"] = .integer(3)
        event["ok"] = .boolean(true)
        return EventFacts(event, appended: 1_000)
    }

    private func text(_ template: String) throws -> String {
        var facts = facts()
        return try Template(template).text(&facts)
    }

    @Test(
        "places",
        arguments: [
            ("${subject}", "/a/ü"), ("[${/size}]", "[7]"), ("${/deep/list/1/x}", "true"),
            ("${/deep/list}", "[1,{\"x\":true}]"),
            ("${time:yyyy-MM-dd}", "2026-05-21"), ("d=${time:yyyyMMdd}/h=${time:HH.mm.ss}", "d=20260521/h=01.59.58"),
            ("${time}", "2026-05-20T23:59:58.5-02:00"), ("${pool|none}", "none"), ("${/none|}", ""),
            ("$${subject}", "${subject}"),
            ("$5 and $", "$5 and $"), ("${filesizemib}${ok}", "3true"), ("", ""),
            ("${type}$", "dev.weir.file.written$"),
        ])
    func places(_ template: String, _ wanted: String) throws { #expect(try text(template) == wanted) }

    @Test(
        "a value that is not there is an error that names it",
        arguments: ["${pool}", "${/x/y}", "${/none}", "${dataschema}"])
    func missing(_ template: String) {
        #expect(throws: TemplateError.self) { try text(template) }
    }

    @Test(
        "what cannot be read is refused when it is written",
        arguments: [
            "${", "${}", "${subject", "${Subject}", "${a b}", "${/~}", "${time:}", "${time:yy}", "${time:yyyy-ww}",
            "${|x}",
        ])
    func malformed(_ template: String) {
        #expect(throws: TemplateError.self) { try Template(template) }
    }

    @Test("a text that is one place takes the value's type")
    func documents() throws {
        var facts = facts()
        let template = try DocumentTemplate([
            "size": "${/size}", "text": "s=${/size}", "all": "${data}", "list": ["${ok}", 1, nil, "x"],
            "event": "${event}", "pool": "${pool|?}",
        ])
        let value = try template.value(&facts)
        #expect(value["size"] == 7 && value["text"] == "s=7" && value["list"] == [true, 1, nil, "x"])
        #expect(value["all"]?["path"] == "/a b" && value["pool"] == "?")
        #expect(value["event"]?["id"] == "1" && value["event"]?["data"]?["size"] == 7)
        #expect(try DocumentTemplate(template.document) == template)
    }

    @Test("an event without a time is given the time at which the channel took it")
    func noTime() throws {
        var facts = EventFacts(CloudEvent(id: "1", source: "s", type: "t"), appended: 1_779_278_400_000)
        #expect(try Template("${time:yyyy-MM-dd HH}").text(&facts) == "2026-05-20 12")
        #expect(throws: TemplateError.self) { try Template("${data}").text(&facts) }
    }
}
