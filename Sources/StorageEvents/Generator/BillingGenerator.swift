import CloudEvents

/// Makes billing files as dCache's default formats write them: a realistic mix, the same for the same seed.
///
/// For demonstrations, tests and measurements. It knows what it wrote: ``bytesByPool`` is what summing the bytes of all
/// successful transfers by pool must give.
public struct BillingGenerator: Sendable {
    /// What the site looks like.
    public struct Site: Sendable {
        public var pools = ["dcache-pool17-exfel", "dcache-pool18-exfel", "dcache-pool19-exfel", "dcache-pool20-cms"]
        public var tapePool = "dcache-tape03-stage"
        public var domain = "example.org"
        /// Folders below which files are made.
        public var folders = [
            "/pnfs/example.org/exfel/raw/SPB/202601/p004567/raw/r0123", "/pnfs/example.org/exfel/disk/user/alice",
            "/pnfs/example.org/cms/tier2/store/mc/sample/GEN-SIM/v2",
        ]
        public init() {}
    }

    /// What may happen, with how often it does among a thousand.
    private static let mix: [(kind: Kind, share: Int)] = [
        (.upload, 400), (.read, 320), (.store, 90), (.restore, 30), (.poolRemove, 40), (.doorRemove, 40), (.copy, 20),
        (.failedUpload, 20), (.refused, 20), (.tapeFailure, 10), (.warning, 5), (.hit, 5),
    ]

    private enum Kind {
        case upload, read, store, restore, poolRemove, doorRemove, copy, failedUpload, refused, tapeFailure, warning,
            hit
    }

    private struct File: Sendable {
        var id: String
        var path: String
        var size: Int64
        var pool: String
        var storage: String
    }

    /// Bytes of all transfers with code 0, pool-to-pool copies included, by the pool that reported them.
    public private(set) var bytesByPool: [String: Int64] = [:]
    /// Bytes of successful uploads alone, by pool.
    public private(set) var bytesWrittenByPool: [String: Int64] = [:]
    /// How many records were written; one of them may take two lines.
    public private(set) var recordCount = 0

    private let site: Site
    private var state: UInt64
    private var seconds: Int64
    private var counter: Int64 = 0
    private var files: [File] = []

    /// - Parameters:
    ///   - seed: The same seed gives the same lines.
    ///   - start: Seconds since 1970 at which the first record is written, as local time of the billing host.
    ///   - site: Pools, folders and names.
    public init(seed: UInt64, start: Int64, site: Site = Site()) {
        state = seed
        seconds = start
        self.site = site
    }

    /// The header lines that a billing service writes when it starts.
    public static let headerLines: [String] = [
        BillingMessage.door, .mover, .warning, .remove, .hit, .storage,
    ].map { "## \($0.name) \($0.defaultFormat)" }

    /// The name of the file, `billing-2026.05.20`, for the local time that has been reached.
    public var fileName: String {
        let date = LocalDate(seconds)
        return "billing-\(date.year).\(date.monthDay)"
    }

    /// The lines of the next occurrence: one record, or the mover's and the door's of one transfer. A line may contain a
    /// line feed: then the record takes two lines.
    public mutating func next() -> [String] {
        seconds += random(10) < 7 ? 0 : 1
        var pick = random(1_000)
        var kind = Kind.upload
        for entry in Self.mix {
            if pick < entry.share {
                kind = entry.kind
                break
            }
            pick -= entry.share
        }
        if files.isEmpty, kind != .failedUpload, kind != .refused, kind != .warning { kind = .upload }
        let lines = make(kind)
        recordCount += lines.count
        return lines
    }

    private mutating func make(_ kind: Kind) -> [String] {
        switch kind {
        case .upload: return transfer(newFile(), isWrite: true)
        case .failedUpload: return transfer(newFile(), isWrite: true, failure: (10_011, "Unexpected end of stream"))
        case .read: return transfer(anyFile(), isWrite: false)
        case .store: return [tape("store", anyFile(), code: 0, message: "")]
        case .restore: return [tape("restore", anyFile(), code: 0, message: "")]
        case .tapeFailure:
            let message = random(2) == 0 ? "HSM script failed:\nsee log" : "HSM script failed (script reported: 71)"
            return [tape("store", anyFile(), code: 666, message: message)]
        case .poolRemove:
            let file = anyFile()
            let head = "\(date) [pool:\(file.pool)@\(file.pool)Domain:remove] [\(file.id),\(file.size)] [Unknown] "
            return [head + "\(file.storage) {0:\"sweeper making space for new data\"}"]
        case .doorRemove:
            let file = takeFile()
            let head = "\(date) [door:WebDAV-door01@webdav-door01Domain:remove] [\"alice\":21001:1000:unknown] "
            return [head + "[\(file.id),\(file.size)] [\(file.path)] <Unknown> 0 0 {0:\"\"}"]
        case .copy: return [copy(anyFile())]
        case .refused:
            let path = site.folders[random(site.folders.count)] + "/forbidden-\(counter).root"
            let head = "\(date) [door:GFTP-door04-AAZSRPqLmEg@gridftp-door04Domain:request] "
            return [
                head
                    + "[\"/DC=ch/DC=cern/OU=Users/CN=jdoe/CN=Jane Doe\":9811:5063:192.0.2.44] [,0] [\(path)] <Unknown> "
                    + "\(random(40)) 0 {10018:\"Access denied\"}"
            ]
        case .warning:
            return [
                "\(date) [PoolManager:PoolManager@dCacheDomain:warning] "
                    + "{10024:\"No pool configured for <exfel:raw@osm> in PoolManager\"}"
            ]
        case .hit:
            let file = anyFile()
            return [
                "\(date) [pool:\(file.pool):hit] [\(file.id),\(file.size)] [\(file.path)] \(file.storage) true "
                    + "{Http-1.1:192.0.2.21:0:WebDAV-door01:webdav-door01Domain:\(file.path)} {0:\"\"}"
            ]
        }
    }

    private mutating func transfer(_ file: File, isWrite: Bool, failure: (code: Int, message: String)? = nil)
        -> [String]
    {
        let client = "192.0.2.\(1 + random(250))"
        let milliseconds = 1 + random(60_000)
        let moved = failure == nil ? file.size : file.size / 2
        let door: String
        let proto: String
        switch random(4) {
        case 0:
            door = "NFS-door03@nfs-door03Domain"
            proto = "NFS4-4.1:\(client):\(700 + random(300))"
        case 1:
            door = "Xrootd-door02@xrootd-door02Domain"
            proto = "Xrootd-5.0:2001:db8:638:700:0:0:1:\(1 + random(99)):\(40_000 + random(9_999))"
        default:
            door = "WebDAV-door01@webdav-door01Domain"
            proto = "Http-1.1:\(client):0:WebDAV-door01:webdav-door01Domain:\(file.path)"
        }
        counter += 1
        let session = "door:\(door):AAZ\(base64(counter)):\(seconds * 1_000_000 + counter)"
        let end = "{\(failure?.code ?? 0):\"\(failure?.message ?? "")\"}"
        let mover =
            "\(date) [pool:\(file.pool):transfer] [\(file.id),\(file.size)] [\(file.path)] \(file.storage) \(moved) "
            + "\(milliseconds) \(isWrite) {\(proto)} [\(session)] \(end)"
        let request =
            "\(date) [door:\(door):request] [\"/C=DE/O=GermanGrid/OU=DESY/CN=host/exflonc01.\(site.domain)\":27541:5541:"
            + "\(client)] [\(file.id),\(file.size)] [\(file.path)] \(file.storage) \(milliseconds + random(300)) 0 \(end)"
        if failure == nil {
            bytesByPool[file.pool, default: 0] += moved
            if isWrite {
                bytesWrittenByPool[file.pool, default: 0] += moved
                files.append(file)
                if files.count > 4_096 { files.removeFirst(2_048) }
            }
        }
        return [mover, request]
    }

    private mutating func copy(_ file: File) -> String {
        bytesByPool[file.pool, default: 0] += file.size
        let target = site.pools[random(site.pools.count)]
        return "\(date) [pool:\(file.pool):transfer] [\(file.id),\(file.size)] [Unknown] \(file.storage) \(file.size) "
            + "\(1 + random(30_000)) false {Http-1.1:192.0.2.18:0:\(target):\(target)Domain:/\(file.id)} "
            + "[pool:\(target)@\(target)Domain] {0:\"\"}"
    }

    private mutating func tape(_ type: String, _ file: File, code: Int, message: String) -> String {
        let path = type == "restore" ? "Unknown" : file.path
        return "\(date) [pool:\(site.tapePool)@\(site.tapePool)Domain:\(type)] [\(file.id),\(file.size)] [\(path)] "
            + "\(file.storage) \(random(400_000)) \(type == "restore" ? 0 : random(90_000)) {\(code):\"\(message)\"}"
    }

    private mutating func newFile() -> File {
        counter += 1
        let number = String(counter)
        let padded = String(repeating: "0", count: max(0, 5 - number.count)) + number
        let folder = site.folders[random(site.folders.count)]
        let odd = ["run 7 [final] äö.h5", "a] <Unknown> 0 0 true.dat", "quote\"d {x}.nxs", "tab\there.txt"]
        let name =
            random(50) == 0 ? "\(padded) \(odd[random(odd.count)])" : "RAW-R0123-AGIPD\(random(16))-S\(padded).h5"
        return File(
            id: fileID(), path: "\(folder)/\(name)", size: Int64(random(1 << 30)) * Int64(1 + random(16)),
            pool: site.pools[random(site.pools.count)], storage: random(2) == 0 ? "exfel:raw@osm" : "cms:disk@osm")
    }

    private mutating func anyFile() -> File { files[random(files.count)] }

    private mutating func takeFile() -> File { files.remove(at: random(files.count)) }

    private mutating func random(_ bound: Int) -> Int {
        // SplitMix64.
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((z ^ (z >> 31)) % UInt64(max(bound, 1)))
    }

    private mutating func fileID() -> String {
        let digits = Array("0123456789ABCDEF")
        return "0000" + String((0..<32).map { _ in digits[random(16)] })
    }

    private func base64(_ value: Int64) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        var rest = UInt64(bitPattern: value) &* 0x9E37_79B9_7F4A_7C15
        var text = ""
        for _ in 0..<8 {
            text.append(alphabet[Int(rest & 63)])
            rest >>= 6
        }
        return text
    }

    private var date: String {
        let local = LocalDate(seconds)
        return "\(local.monthDay) \(local.time)"
    }
}

/// A local time in pieces.
private struct LocalDate {
    let year: Int
    let monthDay: String
    let time: String

    init(_ seconds: Int64) {
        let days = Int((Double(seconds) / 86_400).rounded(.down))
        let rest = Int(seconds) - days * 86_400
        let date = EventTime.civil(fromDays: days)
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        year = date.year
        monthDay = "\(two(date.month)).\(two(date.day))"
        time = "\(two(rest / 3_600)):\(two(rest / 60 % 60)):\(two(rest % 60))"
    }
}
