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
        case .cloudEvents: "CloudEvents in JSON, one after another or in batches"
        }
    }
}
