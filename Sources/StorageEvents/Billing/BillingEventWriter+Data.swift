import CloudEvents

/// The normalised record. Member names: `source` is the cell's type, `bytes` what was moved, `durationMs` how long the
/// mover, the request or the tape operation took, `queuedMs` how long it waited.
extension BillingEventWriter {
    @inline(__always)
    func writeData(_ view: inout BillingView, path: RecordPath, into out: inout ByteSink) {
        out.put("{\"msgType\":")
        out.put(quoted: view.msgType)
        member(",\"source\":", view.cellType, into: &out)
        if let cell = view.cell {
            out.put(",\"cell\":\"")
            out.put(escaped: cell)
            if let domain = view.domain {
                out.put(0x40 as UInt8)
                out.put(escaped: domain)
            }
            out.put("\"")
        }
        member(",\"session\":", view.session, into: &out)
        if let code = view.code {
            out.put(code == 0 ? ",\"success\":true" : ",\"success\":false")
            let message = view.message
            if code != 0 || (message.map { $0.count > 0 } ?? false) {
                out.put(",\"status\":{\"code\":")
                out.put(decimal: code)
                out.put(",\"message\":\"")
                if let message { out.put(escaped: message) }
                out.put("\"}")
            }
        }
        if let pnfsid = view.pnfsid, pnfsid.count > 0 { member(",\"pnfsid\":", pnfsid, into: &out) }
        switch path {
        case .path(let path):
            member(",\"path\":", path, into: &out)
        case .child(let parent, let name):
            member(",\"parentPnfsid\":", parent, into: &out)
            member(",\"name\":", name, into: &out)
        case .none: break
        }
        if let transferPath = view.transferPath, transferPath.count > 0 {
            let isSame = view.path.map { $0.equals(transferPath) } ?? false
            if !isSame, case .path(let other) = RecordPath(transferPath) {
                member(",\"transferPath\":", other, into: &out)
            }
        }
        number(",\"fileSize\":", view.fileSize, into: &out)
        member(",\"storageClass\":", view.storageClass, into: &out)
        member(",\"hsm\":", view.hsm, into: &out)
        if let initiator = view.initiator, initiator.count > 0 { member(",\"initiator\":", initiator, into: &out) }
        number(",\"bytes\":", view.bytes, into: &out)
        number(",\"durationMs\":", view.durationMs, into: &out)
        if let queued = view.queuedMs, queued != 0 { number(",\"queuedMs\":", queued, into: &out) }
        if let owner = view.owner, owner.count > 0 { member(",\"owner\":", owner, into: &out) }
        if let uid = view.uid, uid != -1 { number(",\"uid\":", uid, into: &out) }
        if let gid = view.gid, gid != -1 { number(",\"gid\":", gid, into: &out) }
        if let chain = view.clientChain, chain.count > 0 { writeChain(chain, into: &out) }
        if view.kind == .transfer {
            writeProtocol(&view, into: &out)
        } else {
            member(",\"protocolText\":", view.protocolText, into: &out)
        }
        writeRest(&view, into: &out)
    }

    /// What only JSON and unusual text formats have; apart, so that the common way is short.
    @inline(__always)
    private func writeRest(_ view: inout BillingView, into out: inout ByteSink) {
        if view.isAmbiguous { out.put(",\"timeAmbiguous\":true") }
        if let cached = view.cached { out.put(cached ? ",\"cached\":true" : ",\"cached\":false") }
        if view.subject != nil || view.client != nil || view.localEndpoint != nil || view.tapeLocations != nil
            || view.readRate != nil || view.writeRate != nil || view.mover != nil || view.transaction != nil
            || view.tapeType != nil || view.tapeInstance != nil || view.tapeProvider != nil
        {
            writeDetails(&view, into: &out)
        }
    }

    @inline(never)
    private func writeDetails(_ view: inout BillingView, into out: inout ByteSink) {
        if let transaction = view.transaction, view.session.map({ !$0.equals(transaction) }) ?? true {
            member(",\"transaction\":", transaction, into: &out)
        }
        if let client = view.client, client.count > 0, !client.equals("unknown") {
            out.put(",")
            writeClient(client, into: &out)
        }
        if let endpoint = view.localEndpoint { writeEndpoint(endpoint, into: &out) }
        rate(",\"readBytesPerSecond\":", view.readRate, into: &out)
        rate(",\"writeBytesPerSecond\":", view.writeRate, into: &out)
        if let subject = view.subject { Principals(subject).write(into: &out) }
        if view.tapeLocations != nil || view.tapeType != nil || view.tapeInstance != nil || view.tapeProvider != nil {
            out.put(",\"tape\":{\"locations\":[")
            for (index, location) in (view.tapeLocations ?? []).enumerated() {
                if index > 0 { out.put(0x2C as UInt8) }
                out.put(quoted: location)
            }
            out.put("]")
            member(",\"type\":", view.tapeType, into: &out)
            member(",\"instance\":", view.tapeInstance, into: &out)
            member(",\"provider\":", view.tapeProvider, into: &out)
            out.put("}")
        }
        if let mover = view.mover {
            out.put(",\"mover\":{\"success\":")
            out.put((mover.code ?? 0) == 0 ? "true" : "false")
            if let isWrite = mover.isWrite {
                out.put(isWrite ? ",\"direction\":\"write\"" : ",\"direction\":\"read\"")
            }
            member(",\"pool\":", mover.pool, into: &out)
            number(",\"bytes\":", mover.bytes, into: &out)
            out.put("}")
        }
    }

    @inline(__always)
    func member(_ key: StaticString, _ value: Run?, into out: inout ByteSink) {
        guard let value else { return }
        out.put(key)
        out.put(quoted: value)
    }

    @inline(__always)
    private func number(_ key: StaticString, _ value: Int64?, into out: inout ByteSink) {
        guard let value else { return }
        out.put(key)
        out.put(decimal: value)
    }

    private func rate(_ key: StaticString, _ value: Double?, into out: inout ByteSink) {
        guard let value else { return }
        out.put(key)
        out.put(text: JSONValue.number(value).text)
    }

    /// `clientChain`: comma-separated, first the peer, last the originator; `unknown` says nothing.
    @inline(__always)
    private func writeChain(_ chain: Run, into out: inout ByteSink) {
        if InternetAddress.isIPv4(chain) {
            out.put(",\"clientChain\":[\"")
            out.put(chain)
            out.put("\"]")
        } else if !chain.equals("unknown") {
            out.put(",\"clientChain\":[")
            writeAddresses(chain, into: &out)
            out.put("]")
        }
    }

    /// The protocol of a mover: JSON has the parts, text has `Name-1.1:host:port…`.
    @inline(__always)
    private func writeProtocol(_ view: inout BillingView, into out: inout ByteSink) {
        guard let name = view.protocolName else {
            member(",\"protocolText\":", view.protocolText, into: &out)
            return
        }
        out.put(",\"protocol\":{\"name\":")
        out.put(quoted: name)
        if let major = view.protocolMajor {
            out.put(",\"version\":\"")
            out.put(decimal: major)
            out.put(0x2E as UInt8)
            out.put(decimal: view.protocolMinor ?? 0)
            out.put("\"")
        }
        if let host = view.protocolHost, host.count > 0, !host.equals("unknown") {
            out.put(",")
            writeClient(host, into: &out)
        }
        if let port = view.protocolPort {
            out.put(",\"port\":")
            out.put(decimal: port)
        }
        if let tag = view.transferTag, tag.count > 0 { member(",\"transferTag\":", tag, into: &out) }
        out.put("}")
    }
}

/// Writes a peer as `"client":…` with its `"scope":…`, or as `"clientHost":…` when it is no address.
@inline(__always)
func writeClient(_ run: Run, into out: inout ByteSink) {
    if InternetAddress.isIPv4(run) {
        out.put("\"client\":\"")
        out.put(run)
        out.put("\"")
    } else {
        writeOtherClient(run, into: &out)
    }
}

@inline(never)
private func writeOtherClient(_ run: Run, into out: inout ByteSink) {
    guard let address = InternetAddress.parse(run) else {
        out.put("\"clientHost\":")
        out.put(quoted: run)
        return
    }
    out.put("\"client\":\"")
    address.text.withUnsafeBytes { out.put($0) }
    out.put("\"")
    if let scope = address.scope {
        out.put(",\"scope\":")
        out.put(quoted: scope)
    }
}

/// Writes comma-separated addresses as JSON strings, normalised where they are addresses.
@inline(never)
func writeAddresses(_ list: Run, into out: inout ByteSink) {
    var start = 0
    var isFirst = true
    while start <= list.count {
        let end = list.first(0x2C, from: start) ?? list.count
        var item = list.run(start, end)
        while item.count > 0, item[0] == 0x20 { item = item.run(1, item.count) }
        if item.count > 0 {
            if !isFirst { out.put(0x2C as UInt8) }
            isFirst = false
            if let address = InternetAddress.parse(item) {
                address.text.withUnsafeBytes { out.put(quoted: $0) }
            } else {
                out.put(quoted: item)
            }
        }
        start = end + 1
    }
}

/// Writes `a.b.c.d:port` or `[v6]:port` as `"localEndpoint":{…}`.
private func writeEndpoint(_ run: Run, into out: inout ByteSink) {
    guard let colon = run.last(0x3A, before: run.count), let address = InternetAddress.parse(run.run(0, colon)),
        let port = run.run(colon + 1, run.count).decimal
    else {
        out.put(",\"localEndpoint\":{\"host\":")
        out.put(quoted: run)
        out.put("}")
        return
    }
    out.put(",\"localEndpoint\":{\"address\":")
    address.text.withUnsafeBytes { out.put(quoted: $0) }
    if let scope = address.scope {
        out.put(",\"scope\":")
        out.put(quoted: scope)
    }
    out.put(",\"port\":")
    out.put(decimal: port)
    out.put("}")
}
