import CloudEvents
import Functions
import Invocation
import Logging
import Persistence
import ServiceLifecycle

/// Sees to it that functions which ask for workers that are kept ready have them: at the start, and after each change.
struct ReadyKeeper: Service {
    let parts: Parts
    let log: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            // First the changes, so that none is missed between the look at all and the first change.
            let (_, changes) = parts.registry.changes()
            await begin()
            for await change in changes where change.resource.kind == .function {
                let resource = change.resource
                settle(namespace: resource.namespace, name: resource.name)
                if let runtime = Self.runtime(of: resource) { parts.pool.prepareStems(for: [runtime]) }
            }
        }
    }

    private func settle(namespace: String, name: String) {
        parts.pool.settle(
            namespace: namespace, name: name,
            current: parts.functions.version(namespace: namespace, name: name, digest: nil))
    }

    /// Looks through all functions, a page at a time: there may be very many, nearly all of them at rest.
    private func begin() async {
        var runtimes: Set<FunctionVersion.Runtime> = []
        var cursor: String?
        do {
            repeat {
                let page = try await parts.registry.list(.function, namespace: nil, limit: 1_000, cursor: cursor)
                for resource in page.resources {
                    if let runtime = Self.runtime(of: resource) { runtimes.insert(runtime) }
                    guard resource.document["scale"]?["min"]?.integer ?? 0 > 0 else { continue }
                    settle(namespace: resource.namespace, name: resource.name)
                }
                cursor = page.next
            } while cursor != nil && !Task.isCancelled
        } catch {
            log.warning("Functions that are to be kept ready cannot be found", metadata: ["why": "\(error)"])
        }
        parts.pool.prepareStems(for: runtimes)
    }

    private static func runtime(of resource: ResourceDocument) -> FunctionVersion.Runtime? {
        resource.document["runtime"]?.string.flatMap(FunctionVersion.Runtime.init)
    }
}
