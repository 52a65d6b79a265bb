public import Logging

/// Hands each message to a hook, on the thread that logs it.
public struct HookedLog: LogHandler {
    private let hook: @Sendable (String) -> Void
    public var metadata: Logger.Metadata = [:]
    public var logLevel = Logger.Level.trace

    private init(_ hook: @escaping @Sendable (String) -> Void) { self.hook = hook }

    public static func logger(_ hook: @escaping @Sendable (String) -> Void) -> Logger {
        Logger(label: "test") { _ in HookedLog(hook) }
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) { hook("\(event.message)") }
}
