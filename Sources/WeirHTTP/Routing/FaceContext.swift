package import Hummingbird
import Logging
package import NIOCore

/// What belongs to one request from the connection's side.
package struct FaceContext: RequestContext {
    package var coreContext: CoreRequestContextStorage
    /// The connection; `nil` when there is none, as in tests of the routes alone.
    package let channel: (any Channel)?

    package init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
    }

    /// An id that no other request of this server has.
    var generatedID: String { logger[metadataKey: "hb.request.id"]?.description ?? RequestID().description }
}
