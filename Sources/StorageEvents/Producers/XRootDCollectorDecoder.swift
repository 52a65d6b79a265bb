import CloudEvents

/// Decodes the records that the XRootD monitoring collector makes of the binary packets: one JSON object a file that was
/// closed, or that was given up because its closing packet never came.
struct XRootDCollectorDecoder: ProducerDecoder {
    func decode(_ bytes: Run, lineNumber: Int, into batch: inout DecodedBatch) {
        guard let value = batch.json(bytes, line: lineNumber) else { return }
        do throws(ProducerProblem) {
            batch.add(try event(value, bytes), line: lineNumber)
        } catch {
            batch.fail(error, bytes, line: lineNumber)
        }
    }

    private func event(_ value: JSONValue, _ bytes: Run) throws(ProducerProblem) -> ProducerEvent {
        guard let path = value["filename"]?.string, !path.isEmpty else {
            throw ProducerProblem("$.filename", "a path was expected")
        }
        let read = value["read"]?.integer ?? 0
        // Vector reads are counted apart from plain ones.
        let vector = value["readv"]?.integer ?? 0
        let written = value["write"]?.integer ?? 0
        let isClosed = (value["HasFileCloseMsg"]?.integer ?? 1) != 0
        let type =
            !isClosed ? "org.xrootd.open-lost" : written > 0 ? "dev.weir.file.written" : "dev.weir.file.read"
        let server = value["server"]?.string ?? value["server_hostname"]?.string ?? value["server_ip"]?.string
        var event = ProducerEvent(
            system: "xrootd", source: "xrootd://" + URIText.host(server), type: type, native: .json(Array(bytes)))
        event.subject = path
        event.time = time(value)
        event.access = value["protocol"]?.string?.lowercased() ?? "xroot"
        // 0 where the size is not known.
        event.size = value["filesize"]?.integer.flatMap { $0 > 0 ? $0 : nil }
        event.owner = [value["user_dn"], value["user"]].compactMap { $0?.string }.first { !$0.isEmpty }
        event.put("path", path)
        let (all, overflow) = read.addingReportingOverflow(vector)
        event.put("bytes", written > 0 ? written : overflow ? read : all)
        event.put("bytesRead", overflow ? read : all)
        event.put("bytesWritten", written)
        event.put("size", event.size)
        event.put("started", value["start_time"]?.integer.flatMap(ProducerTime.milliseconds))
        event.put("ended", value["end_time"]?.integer.flatMap(ProducerTime.milliseconds))
        event.put("vo", value["vo"]?.string)
        event.put("client", value["host"]?.string)
        event.put("clientDomain", value["user_domain"]?.string)
        return event
    }

    private func time(_ value: JSONValue) -> EventTime? {
        if let text = value["@timestamp"]?.string, let time = EventTime(text) { return time }
        return value["end_time"]?.integer.flatMap(ProducerTime.milliseconds)
    }
}
