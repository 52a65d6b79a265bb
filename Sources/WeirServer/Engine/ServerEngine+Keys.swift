import CloudEvents
import Identity
import Manifest
import Persistence
import WeirHTTP

extension ServerEngine {
    func keys(namespace: String, page: PageRequest) async throws(Problem) -> Page<JSONValue> {
        do {
            let found = try await parts.registry.list(
                .key, namespace: namespace, limit: page.limit, cursor: page.cursor)
            return Page(
                items: found.resources.map { key in
                    var members: JSONObject = [
                        "id": .string(key.name), "namespace": .string(key.namespace), "created": .time(key.created),
                    ]
                    members["note"] = key.document["note"]
                    return .object(members)
                }, next: found.next)
        } catch {
            throw Problem(error)
        }
    }

    func makeKey(namespace: String, note: String?) async throws(Problem) -> JSONObject {
        do throws(DocumentError) {
            try ResourceName.checkNamespace(namespace, path: "namespace")
        } catch {
            throw Problem(error)
        }
        let key = NamespaceKey()
        do {
            try await parts.writer.put(.key, namespace, key.id, key.document(note: note), expectedGeneration: 0)
        } catch {
            throw Problem(error)
        }
        return [
            "id": .string(key.id), "namespace": .string(namespace), "key": .string(key.secret.reveal()),
            "auth": .string(key.pair.reveal()),
        ]
    }

    func deleteKey(id: String, namespace: String) async throws(Problem) -> Bool {
        do {
            try await parts.writer.delete(.key, namespace, id)
            return true
        } catch  where error.code == .notFound {
            return false
        } catch {
            throw Problem(error)
        }
    }
}
