import Channels
import CloudEvents
import Invocation
import Manifest
import Synchronization

@testable import WeirHTTP

/// An engine in memory: enough of one that every route has something to answer.
final class FakeEngine: Engine {
    struct State {
        var resources: [ResourceKind: [String: Resource]] = [:]
        var code: [String: FunctionCode] = [:]
        var partitions: [[PositionedEvent]] = [[], []]
        var seen: Set<String> = []
        var waiters: [CheckedContinuation<Void, Never>] = []
        var paused: [String: Bool] = [:]
        var replays: [String: JSONObject] = [:]
        var lastReplay: ReplayRequest?
        var lastCall: FunctionCall?
        /// Calls that were begun without waiting, and whether their ends wait for a test.
        var begun = 0
        var holdsCalls = false
        /// The same of those that are waited for.
        var holdsInvocations = false
        var held: [@Sendable () -> Void] = []
        /// What every run gives.
        var result = Array(#"{"sum":1}"#.utf8)
        var lastQuery: ActivationQuery?
        var lastScope: ReadScope?
        var activations: [Activation] = []
        var logs: [LogEntry] = []
        var obstacles: [String] = []
        var publishProblem: Problem?
        var readProblem: Problem?
        var gaps: [EventPage.Gap] = []
        var namespaces: Set<String> = []
    }

    let state = Mutex(State())

    func resources(_ kind: ResourceKind, namespace: String, page: PageRequest) async throws(Problem) -> Page<Resource> {
        state.withLock { state in
            state.namespaces.insert(namespace)
            let sorted = (state.resources[kind] ?? [:]).values.sorted { $0.name < $1.name }
                .filter { $0.name > (page.cursor ?? "") }
            let items = Array(sorted.prefix(page.limit))
            return Page(items: items, next: items.count < sorted.count ? items.last?.name : nil)
        }
    }

    func keys(namespace: String, page: PageRequest) async throws(Problem) -> Page<JSONValue> { Page(items: []) }

    func makeKey(namespace: String, note: String?) async throws(Problem) -> JSONObject {
        ["id": "a", "namespace": .string(namespace), "key": "b", "auth": "a:b"]
    }

    func deleteKey(id: String, namespace: String) async throws(Problem) -> Bool { id == "a" }

    func resource(_ kind: ResourceKind, namespace: String, name: String) async throws(Problem) -> Resource? {
        state.withLock { $0.resources[kind]?[name] }
    }

    func put(_ request: PutRequest) async throws(Problem) -> PutOutcome {
        if let bad = request.document["retention"], bad.string == "soon" {
            throw Problem(.init(path: "retention", message: "\"soon\" is no length of time: write 300ms, 30s or 7d"))
        }
        let result: Result<PutOutcome, Problem> = state.withLock { state in
            let old = state.resources[request.kind]?[request.name]
            do throws(Problem) {
                try request.precondition.check(old?.generation)
            } catch {
                return .failure(error)
            }
            var document = request.document
            document["name"] = .string(request.name)
            let same = old.map { $0.document == document } ?? false
            let resource = Resource(
                name: request.name, generation: same ? (old?.generation ?? 1) : (old?.generation ?? 0) + 1,
                document: document)
            if !request.dryRun {
                state.resources[request.kind, default: [:]][request.name] = resource
                state.code[request.name] = request.code
            }
            let changes: [PutOutcome.Change] =
                same ? [] : [.init(path: "", before: old.map { .object($0.document) }, after: .object(document))]
            return .success(
                PutOutcome(
                    verdict: old == nil ? .created : same ? .unchanged : .updated, resource: resource, changes: changes)
            )
        }
        return try result.get()
    }

    func delete(
        _ kind: ResourceKind, namespace: String, name: String, precondition: Precondition, dryRun: Bool, caller: Caller
    ) async throws(Problem) -> Bool {
        let current = state.withLock { $0.resources[kind]?[name]?.generation }
        try precondition.check(current)
        if !dryRun { state.withLock { $0.resources[kind]?[name] = nil } }
        return current != nil
    }

    func functionVersions(namespace: String, name: String) async throws(Problem) -> [JSONValue]? {
        state.withLock { $0.resources[.functions]?[name].map { [.object(["generation": .integer($0.generation)])] } }
    }

    func status() async -> JSONObject { ["channels": 1] }
    func version() -> JSONObject { ["version": "1.2.3"] }
    func metrics() async -> String { "weir_fake 1\n" }
    func workers() async -> JSONObject { ["functions": []] }
    func obstacles() async -> [String] { state.withLock { $0.obstacles } }
}

/// One key that may do everything, one that may read below `/a`, one that may nothing.
struct FakeAccess: AccessControl {
    let questions = Questions()

    /// What was asked.
    final class Questions: Sendable {
        let all = Mutex<[AccessRequest]>([])
    }

    func authenticate(_ credentials: Credentials) async throws(Problem) -> Caller { try known(credentials) }

    private func known(_ credentials: Credentials) throws(Problem) -> Caller {
        switch credentials.authorization {
        case "Bearer admin": return Caller(name: "admin")
        case "Bearer reader": return Caller(name: "reader", namespace: "lab")
        case "Bearer nobody": return Caller(name: "nobody")
        case nil: throw Problem.unauthenticated("a key is needed: send it as Authorization: Bearer …")
        default: throw Problem.unauthenticated("the key is not known")
        }
    }

    func authorize(_ caller: Caller, _ request: AccessRequest) async -> AccessDecision {
        decide(caller, request)
    }

    func grant(_ credentials: Credentials, _ question: (Caller) -> AccessRequest) -> Caller? {
        guard let caller = try? known(credentials), case .allowed = decide(caller, question(caller)) else { return nil }
        return caller
    }

    private func decide(_ caller: Caller, _ request: AccessRequest) -> AccessDecision {
        questions.all.withLock { $0.append(request) }
        return switch caller.name {
        case "admin": .allowed(.everything)
        case "reader" where request.action == .view || request.action == .readEvents: .allowed(.below(["/a"]))
        default: .denied("\(caller.name) may not \(request.action) this \(request.target)")
        }
    }
}
