/// What kind of record it is: dCache's `msgType`.
enum BillingKind: UInt8, Sendable {
    case transfer, request, remove, store, restore, hit, warning
    /// `check` of dcap doors, and types that are not known yet.
    case other

    @inline(__always)
    init(_ name: Run) {
        self = .other
        guard name.count > 2 else { return }
        switch (name[0], name.count) {
        case (0x74, 8): if name.equals("transfer") { self = .transfer }
        case (0x72, 7):
            if name.equals("request") { self = .request } else if name.equals("restore") { self = .restore }
        case (0x72, 6): if name.equals("remove") { self = .remove }
        case (0x73, 5): if name.equals("store") { self = .store }
        case (0x68, 3): if name.equals("hit") { self = .hit }
        case (0x77, 7): if name.equals("warning") { self = .warning }
        default: break
        }
    }
}

/// One billing record as borrowed pieces, the same for text and JSON; what is absent is `nil`.
///
/// The pieces are valid UTF-8 and live as long as the bytes they were cut from.
struct BillingView {
    var kind = BillingKind.other
    var msgType: Run
    /// RFC 3339 text of the record's time; `nil` when a text record leaves the year open.
    var time: Run?
    /// Whole seconds since 1970 of `time`.
    var seconds: Int64 = 0
    var isAmbiguous = false
    /// `pool`, `door`, `PoolManager`.
    var cellType: Run?
    /// `cell`, or `cell@domain` as some text formats write it.
    var cell: Run?
    var domain: Run?
    var session: Run?
    var transaction: Run?
    var code: Int64?
    var message: Run?
    var pnfsid: Run?
    /// `billingPath` of JSON, `$path$` of text, as written.
    var path: Run?
    var transferPath: Run?
    var fileSize: Int64?
    var storageClass: Run?
    var hsm: Run?
    var bytes: Int64?
    var durationMs: Int64?
    var queuedMs: Int64?
    var created: Bool?
    var isPoolToPool: Bool?
    var initiator: Run?
    /// `Http-1.1:host:…`, in text records and hits.
    var protocolText: Run?
    var protocolName: Run?
    var protocolMajor: Int64?
    var protocolMinor: Int64?
    var protocolHost: Run?
    var protocolPort: Int64?
    var transferTag: Run?
    var localEndpoint: Run?
    var readRate: Double?
    var writeRate: Double?
    var owner: Run?
    var uid: Int64?
    var gid: Int64?
    var client: Run?
    var clientChain: Run?
    var subject: [Run]?
    var cached: Bool?
    var tapeType: Run?
    var tapeInstance: Run?
    var tapeProvider: Run?
    var tapeLocations: [Run]?
    var mover: Mover?

    /// The mover's side inside a door's record (route A of Kafka).
    struct Mover {
        var pool: Run?
        var bytes: Int64?
        var isWrite: Bool?
        var code: Int64?
        var initiator: Run?
        var protocolName: Run?
    }

    init(msgType: Run) {
        self.msgType = msgType
    }

    /// The cell's name without its domain.
    @inline(__always)
    var cellName: Run? {
        guard let cell else { return nil }
        if let at = cell.first(0x40) { return cell.run(0, at) }
        return cell
    }

    @inline(__always)
    var isPool: Bool { cellType.map { $0.equals("pool") } ?? false }
    @inline(__always)
    var isDoor: Bool { cellType.map { $0.equals("door") } ?? false }

    /// Whether the code says success; `nil` where a format prints no code.
    @inline(__always)
    var success: Bool? { code.map { $0 == 0 } }

    /// Pool-to-pool: said by JSON; in text only the initiator shows it.
    @inline(__always)
    var isCopy: Bool { isPoolToPool ?? initiator.map { $0.hasPrefix("pool:") } ?? false }

    /// The event's type, `nil` for what only has the producer's own type.
    @inline(__always)
    var eventType: StaticString? {
        let ok = success ?? true
        switch kind {
        case .transfer:
            if isCopy { return ok ? "dev.weir.replica.copied" : "dev.weir.replica.copy-failed" }
            switch created {
            case true: return ok ? "dev.weir.file.written" : "dev.weir.file.write-failed"
            case false: return ok ? "dev.weir.file.read" : "dev.weir.file.read-failed"
            case nil: return nil
            }
        case .request: return ok ? "dev.weir.request.completed" : "dev.weir.request.failed"
        case .remove:
            // A user's deletion is the door's; a pool only says that a replica went (§2.4). Nothing was removed when the
            // code is not 0.
            if isPool { return ok ? "dev.weir.replica.removed" : nil }
            if isDoor { return ok ? "dev.weir.file.deleted" : "dev.weir.request.failed" }
            return nil
        case .store: return ok ? "dev.weir.file.flushed" : "dev.weir.file.flush-failed"
        case .restore: return ok ? "dev.weir.file.staged" : "dev.weir.file.stage-failed"
        case .hit: return "dev.weir.pool.selected"
        case .warning: return "dev.weir.system.warning"
        case .other: return nil
        }
    }
}

/// What the path of a record says (§2.7 of the formats' description).
enum RecordPath {
    case none
    case path(Run)
    /// NFS removals: the parent's id and the name within it.
    case child(parent: Run, name: Run)

    @inline(__always)
    init(_ run: Run?) {
        guard let run, run.count > 0 else {
            self = .none
            return
        }
        if run[0] == 0x2F {
            self = .path(run)
        } else if run.equals("Unknown") || run.equals("N/A") {
            self = .none
        } else if run.hasPrefix("parent:["), let close = run.first(0x5D, from: 8), close + 1 < run.count,
            run[close + 1] == 0x2F
        {
            self = .child(parent: run.run(8, close), name: run.run(close + 2, run.count))
        } else {
            self = .path(run)
        }
    }
}
