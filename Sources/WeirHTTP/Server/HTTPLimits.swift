/// How much one request may be.
package struct HTTPLimits: Sendable, Hashable {
    /// Bytes of path and query.
    package var target = 8 << 10
    /// Bytes of a body with events.
    package var eventBody = 8 << 20
    /// Events in one batch.
    package var eventsPerBatch = 10_000
    /// Bytes of a document.
    package var document = 1 << 20
    /// Bytes of a document with code in it, Base64 included.
    package var code = 96 << 20
    /// Bytes of a function's arguments.
    package var arguments = 4 << 20
    /// Seconds for a whole request head, and that a connection may be idle.
    package var headSeconds = 60
    /// Seconds between two parts of a body.
    package var bodyPauseSeconds = 20
    /// Seconds for a whole body.
    package var bodySeconds = 300
    /// Seconds between two signs of life in a stream that has nothing to say.
    package var keepAliveSeconds = 15

    package init() {}
}
