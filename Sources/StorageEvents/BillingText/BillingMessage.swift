/// The record types of billing text, as their headers name them.
enum BillingMessage: UInt8, Sendable, CaseIterable {
    case door, mover, warning, remove, hit, storage

    var name: String {
        switch self {
        case .door: "door-request-info-message"
        case .mover: "mover-info-message"
        case .warning: "warning-pnfs-file-info-message"
        case .remove: "remove-file-info-message"
        case .hit: "pool-hit-info-message"
        case .storage: "storage-info-message"
        }
    }

    /// dCache's default format of today (`billing.properties`), as it stands in a file's header.
    var defaultFormat: String {
        let file = "[$pnfsid$,$filesize$] [$path$] "
        let storage = "$if(storage)$$storage.storageClass$@$storage.hsm$$else$<Unknown>$endif$ "
        let tail = "{$rc$:\"$message$\"}"
        let head = "$date$ [$cellType$:$cellName$:$type$] "
        let shortHead = "$date$ [$cellType$:$cellName.cell$:$type$] "
        return switch self {
        case .door:
            head + "[\"$owner$\":$uid$:$gid$:$clientChain$] " + file + storage + "$transactionTime$ $queuingTime$ "
                + tail
        case .mover:
            shortHead + file + storage + "$transferred$ $connectionTime$ $created$ {$protocol$} [$initiator$] " + tail
        case .warning: head + tail
        case .remove: head + file + storage + tail
        case .hit: shortHead + file + storage + "$cached$ {$protocol$} " + tail
        case .storage: head + file + storage + "$transferTime$ $queuingTime$ " + tail
        }
    }

    /// The `msgType` of a record whose format does not print `$type$`; a flush and a recall cannot be told apart then.
    var impliedType: StaticString {
        switch self {
        case .door: "request"
        case .mover: "transfer"
        case .warning: "warning"
        case .remove: "remove"
        case .hit: "hit"
        case .storage: "storage-info"
        }
    }

    /// The cell type of a record whose format does not print `$cellType$`.
    var impliedCellType: StaticString? {
        switch self {
        case .door: "door"
        case .mover, .remove, .hit, .storage: "pool"
        case .warning: nil
        }
    }
}

/// The attributes with a place of their own in the normalised record.
enum KnownAttribute: UInt8, Sendable, CaseIterable {
    case date, cellType, cellName, cell, domain, type, rc, message, session, queuingTime
    case pnfsid, path, filesize, storageClass, hsm, transferPath
    case transferred, connectionTime, created, protocolText, initiator, p2p, readRate, writeRate
    case transactionTime, uid, gid, owner, client, clientChain, transferTime, cached

    static let names: [(String, KnownAttribute)] = [
        ("date", .date), ("cellType", .cellType), ("cellName", .cellName), ("cellName.cell", .cell),
        ("cellName.domain", .domain), ("type", .type), ("rc", .rc), ("message", .message), ("session", .session),
        ("queuingTime", .queuingTime), ("pnfsid", .pnfsid), ("pnfsid.id", .pnfsid), ("path", .path),
        ("filesize", .filesize), ("storage.storageClass", .storageClass), ("storage.hsm", .hsm),
        ("transferPath", .transferPath), ("transferred", .transferred), ("connectionTime", .connectionTime),
        ("created", .created), ("protocol", .protocolText), ("initiator", .initiator), ("p2p", .p2p),
        ("meanReadBandwidth", .readRate), ("meanWriteBandwidth", .writeRate), ("transactionTime", .transactionTime),
        ("uid", .uid), ("gid", .gid), ("owner", .owner), ("client", .client), ("clientChain", .clientChain),
        ("transferTime", .transferTime), ("cached", .cached),
    ]

    init?(named name: String) {
        guard let known = Self.names.first(where: { $0.0 == name })?.1 else { return nil }
        self = known
    }
}
