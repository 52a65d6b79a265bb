internal import CloudEvents
internal import Functions

/// How calls travel to a container and answers back: pure translation, one for each protocol.
protocol ContainerExchange: Sendable {
    /// What is sent before the first call; `nil`: nothing.
    func introduction(deadline: Int64, id: String) -> ContainerRequest?

    /// What the answer to that means: `nil` when the container is ready.
    func failure(ofIntroduction response: ContainerResponse) -> StartFailure?

    func request(_ call: FunctionCall, id: String, deadline: Int64) -> ContainerRequest

    /// - Returns: the answer, and whether the container may go on to be used.
    func answer(_ response: ContainerResponse, runNanoseconds: Int64) -> (answer: Answer, isSound: Bool)

    /// What a call deserves whose container was lost while it ran.
    var lost: String { get }
}

extension FunctionVersion {
    /// - Parameter code: what is sent to an image without a function in it.
    func exchange(code: ActionCode?, answerLimit: Int) -> any ContainerExchange {
        switch container?.exchange ?? .openWhisk {
        case .openWhisk: OpenWhiskExchange(version: self, code: code, answerLimit: answerLimit)
        case .cloudEvents: CloudEventsExchange(version: self, answerLimit: answerLimit)
        }
    }
}
