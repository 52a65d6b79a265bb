import EventSources
import Manifest
import Persistence
import Synchronization

/// The folders that sources watch, by namespace: files of their events may be given to functions.
final class WatchedFolders: Sendable {
    private let folders = Mutex<[ResourceKey: String]>([:])
    private let observation = Mutex<RegistryObservation?>(nil)

    init(_ registry: Registry) {
        let (current, observation) = registry.observe { [weak self] change in
            guard change.resource.kind == .source, let self else { return }
            if case .deleted(let resource) = change {
                folders.withLock { $0[resource.key] = nil }
            } else {
                note(change.resource)
            }
        }
        for resource in current where resource.kind == .source { note(resource) }
        self.observation.withLock { $0 = observation }
    }

    deinit { observation.withLock { $0?.cancel() } }

    /// Absolute, without `/` at the end.
    func folders(of namespace: String) -> [String] {
        folders.withLock { $0.filter { $0.key.namespace == namespace }.map(\.value) }
    }

    private func note(_ resource: ResourceDocument) {
        let folder: String? =
            if let spec = try? SourceSpec(resource.document), case .folder(let folder) = spec.kind {
                folder.directory
            } else {
                nil
            }
        folders.withLock { $0[resource.key] = folder }
    }
}
