package import CloudEvents
package import Hummingbird
import HummingbirdCore
package import Logging
package import NIOCore

/// The HTTP face of a server: all routes in front of an ``Engine``, behind an ``AccessControl``.
package struct HTTPFace: Sendable {
    package let responder: Responder
    package let limits: HTTPLimits
    /// The face's own metrics; the server may add its own to the same registry.
    package let metrics: MetricsRegistry
    private let engine: any Engine
    /// Requests that were answered in front of the codec, and right above it.
    private let (front, direct): (Counter, Counter)

    static let serverName = "weir"

    /// - Parameters:
    ///   - whisk: answers the paths of the OpenWhisk API; without it they are not there.
    ///   - now: milliseconds since 1970.
    /// - Throws: ``JSONError`` when the built-in schemas are not well-formed, which a test rules out.
    package init(
        engine: any Engine, access: any AccessControl, limits: HTTPLimits = HTTPLimits(),
        metrics: MetricsRegistry = MetricsRegistry(), whisk: WhiskFace? = nil,
        now: @escaping @Sendable () -> Int64
    ) throws(JSONError) {
        func routes(description: [UInt8]) -> [Route] {
            Self.routes(engine: engine, limits: limits, metrics: metrics, description: description)
        }
        let version = engine.version()["version"]?.string ?? "0"
        let document = try OpenAPIDocument(routes: routes(description: []), version: version).document
        let description = JSONValue.object(document).encoded()
        self.limits = limits
        self.metrics = metrics
        self.engine = engine
        front = metrics.counter(
            "weir_http_requests_front_total", "Calls of functions that were answered in front of the HTTP codec.")
        direct = metrics.counter(
            "weir_http_requests_direct_total", "Requests that were answered below the streaming server.")
        responder = Responder(
            table: RouteTable(routes(description: description)), access: access, limits: limits, metrics: metrics,
            whisk: whisk, now: now)
    }

    private static func routes(
        engine: any Engine, limits: HTTPLimits, metrics: MetricsRegistry, description: [UInt8]
    ) -> [Route] {
        ServerRoutes(engine: engine, registry: metrics, description: { description }).routes
            + ResourceRoutes(engine: engine, limits: limits).routes
            + EventRoutes(engine: engine, limits: limits, metrics: IntakeMetrics(metrics)).routes
            + SubscriptionRoutes(engine: engine, limits: limits).routes
            + FunctionRoutes(engine: engine, limits: limits).routes
            + ActivationRoutes(engine: engine, limits: limits).routes
            + KeyRoutes(engine: engine, limits: limits).routes
            + APIRoutes(engine: engine).routes
            + HookRoutes(engine: engine, limits: limits).routes
    }

    /// The service that listens and answers; run it in a service group.
    ///
    /// - Parameter onListening: called with the address (and the port that was taken when 0 was asked for).
    package func application(
        host: String, port: Int, logger: Logger, eventLoopGroup: any EventLoopGroup,
        onListening: @escaping @Sendable (SocketAddress) async -> Void = { _ in }
    ) -> Application<Responder> {
        let face = self
        return Application(
            responder: responder,
            server: .http1(
                configuration: HTTP1Channel.Configuration(
                    additionalChannelHandlers: face.handlers(logger))),
            configuration: ApplicationConfiguration(address: .hostname(host, port: port), serverName: Self.serverName),
            onServerRunning: { channel in
                if let address = channel.localAddress { await onListening(address) }
            },
            eventLoopGroupProvider: .shared(eventLoopGroup), logger: logger)
    }

    /// What stands around the codec of a connection, to be added behind it.
    func handlers(_ logger: Logger) -> [any RemovableChannelHandler] {
        let guardian = ConnectionGuard(limits: limits)
        guardian.front = FrontHandler(
            responder: responder, engine: engine, logger: logger, count: front, above: guardian)
        return [guardian, DirectHandler(responder: responder, logger: logger, count: direct)]
    }
}
