/// Why a worker is started.
enum StartCause: Sendable, Equatable {
    /// A call came and no worker of the version was alive.
    case noWorker
    /// So many workers were busy while so many calls waited.
    case busy(Int, Int)
    /// The same, and the calls would have waited so long that all workers that are allowed start at once.
    case burst(Int, Int)
    /// A call had waited so long, although the mean duration promised otherwise, milliseconds.
    case waited(Int64)
    /// Calls come so often and take so long that the workers will not do.
    case rate(perSecond: Double, milliseconds: Double)
    /// So many are kept ready.
    case floor(Int)

    /// One word, for metrics.
    var word: String {
        switch self {
        case .noWorker: "no_worker"
        case .busy: "busy"
        case .burst: "burst"
        case .waited: "waited"
        case .rate: "rate"
        case .floor: "floor"
        }
    }

    var sentence: String {
        switch self {
        case .noWorker: "no worker of this version was alive"
        case .busy(let workers, let waiting):
            "\(Self.workers(workers)) \(workers == 1 ? "was" : "were") busy and \(Self.calls(waiting)) waited"
        case .burst(let workers, let waiting):
            "\(Self.calls(waiting)) waited, too many for \(Self.workers(workers)): as many as allowed start at once"
        case .waited(let time): "a call had waited for \(time) ms"
        case .rate(let perSecond, let milliseconds):
            "\(Self.tenths(perSecond)) calls a second of \(Self.tenths(milliseconds)) ms need one worker more"
        case .floor(let floor): "\(Self.workers(floor)) \(floor == 1 ? "is" : "are") kept ready"
        }
    }

    private static func workers(_ count: Int) -> String { count == 1 ? "1 worker" : "\(count) workers" }
    private static func calls(_ count: Int) -> String { count == 1 ? "1 call" : "\(count) calls" }
    private static func tenths(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 || tenths > 1_000 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }
}

/// How a worker is started, and why not by a faster way.
enum StartWay: Sendable, Equatable {
    /// From a process that waited for it, isolated and warmed up.
    case stem
    /// Forked from a preloaded interpreter; no stem was ready.
    case zygote
    /// A new process.
    case exec(Obstacle)
    /// A container.
    case container

    /// Why neither stem nor zygote served.
    enum Obstacle: Sendable, Equatable {
        /// Nothing of the kind can run this version.
        case unfit
        /// None was ready.
        case noneReady
    }

    /// As the activation and the metrics name it.
    var way: Activation.ColdStart.Way {
        switch self {
        case .stem: .stem
        case .zygote: .zygote
        case .exec: .exec
        case .container: .container
        }
    }

    var sentence: String {
        switch self {
        case .stem: "a stem was ready"
        case .zygote: "no stem was ready, the zygote forked"
        case .exec(.unfit): "a new process was started, as this function has no stems"
        case .exec(.noneReady): "neither a stem nor a zygote was ready, so a new process was started"
        case .container: "a container was started"
        }
    }
}

/// What is told of one start.
struct StartReason: Sendable, Equatable {
    var cause: StartCause
    var way: StartWay

    var sentence: String { cause.sentence + "; " + way.sentence }
}
