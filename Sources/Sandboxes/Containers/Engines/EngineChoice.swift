/// Which container engines are in question: `--container-engine`.
package enum EngineChoice: Sendable, Hashable {
    /// The first that works.
    case auto
    case runtime(OCIRuntime.Kind)
    /// Docker's daemon; `nil`: at its usual socket.
    case docker(socket: String?)
    case podman(socket: String?)
    case none

    package init(_ text: String) throws(ContainerError) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let socket = parts.count == 2 ? Self.path(parts[1]) : nil
        guard socket.map({ $0.hasPrefix("/") }) ?? true else {
            throw ContainerError(
                .refused, "\"\(parts[1])\" is no path of a socket: docker=/run/docker.sock was expected")
        }
        switch (parts[0], socket) {
        case ("auto", nil): self = .auto
        case ("none", nil): self = .none
        case ("docker", _): self = .docker(socket: socket)
        case ("podman", _): self = .podman(socket: socket)
        case (let name, nil):
            guard let kind = OCIRuntime.Kind(rawValue: name) else { throw Self.unknown(text) }
            self = .runtime(kind)
        default: throw Self.unknown(text)
        }
    }

    /// As `DOCKER_HOST` has it, too.
    private static func path(_ text: String) -> String { text.hasPrefix("unix://") ? String(text.dropFirst(7)) : text }

    private static func unknown(_ text: String) -> ContainerError {
        ContainerError(
            .refused,
            "\"\(text)\" is no container engine: they are auto, runc, crun, runsc, docker[=socket], podman[=socket], none"
        )
    }
}
