/// The forms of input that `weir decode --from` and the sources know.
public enum StorageEventFormat: String, Sendable, CaseIterable {
    /// Billing files of dCache; JSON lines between are read too.
    case billingText = "dcache-billing-text"
    /// dCache's billing and alarm records in JSON: one after another, over several lines where they like.
    case billingJSON = "dcache-billing-json"
    /// Either of the two, told apart line by line.
    case billing = "dcache-billing"
    /// The stream of dCache's event API.
    case sse = "dcache-sse"
    /// Event notifications of S3 and what speaks like it.
    case s3
    /// EOS: the report log.
    case eosReport = "eos-report"
    /// XRootD: records of the monitoring collector.
    case xrootdCollector = "xrootd-collector"
    /// Lustre: lines of `lfs changelog`.
    case lustreChangelog = "lustre-changelog"
    /// IBM Storage Scale: events of clustered watch folders.
    case storageScale = "storage-scale-watch"
    /// Rucio: messages of hermes.
    case rucio
    /// iRODS: messages of the audit plug-in.
    case irodsAudit = "irods-audit"
    /// Bluesky: pairs of a name and a document.
    case bluesky
    /// CloudEvents in their JSON format.
    case cloudEvents = "cloudevents"

    /// One line for a list of formats.
    public var summary: String {
        switch self {
        case .billingText: "billing files of dCache, with the formats that their headers declare"
        case .billingJSON: "billing and alarm records of dCache in JSON, as Kafka carries them"
        case .billing: "billing files of dCache, text or JSON, told apart line by line"
        case .sse: "the event stream of dCache's frontend (inotify)"
        case .s3: "S3 event notifications (AWS, EventBridge, Ceph, MinIO)"
        case .eosReport: "report log of EOS"
        case .xrootdCollector: "records of the XRootD monitoring collector"
        case .lustreChangelog: "changelogs of Lustre, as lfs changelog prints them"
        case .storageScale: "watch folders of IBM Storage Scale"
        case .rucio: "messages of Rucio (hermes)"
        case .irodsAudit: "messages of the iRODS audit plug-in"
        case .bluesky: "documents of Bluesky, pairs of a name and a document"
        case .cloudEvents: "CloudEvents in JSON, one after another or in batches"
        }
    }
}
