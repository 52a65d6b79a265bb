package import CloudEvents
package import Functions

/// Starts containers and has their images: a runtime on unpacked layers, or a daemon that does all of it.
package protocol ContainerEngine: Sendable {
    /// `runc`, `docker` …
    var name: String { get }
    /// The isolation level of its containers.
    var isolation: Int { get }
    /// What it is and can, for people.
    var document: JSONValue { get }

    /// The digest that a name stands for; its image is ready to be started then.
    func pin(
        _ image: ImageReference, pull: ContainerSpec.Pull, namespace: String
    ) async throws(ContainerError) -> PinnedImage

    /// Builds an image of a folder, and finds it again when it was built of the same before.
    func build(_ order: ImageBuildOrder) async throws(ContainerError) -> PinnedImage
    func built(_ order: ImageBuildOrder) async -> PinnedImage?

    /// Begins to start a container. Returns at once; the handler is told the rest.
    func start(_ specification: ContainerSpecification, handler: any ContainerHandler) -> any RunningContainer

    /// Removes the images that none of these digests needs. Only while no container runs.
    func collect(keeping digests: Set<ImageDigest>) async

    /// Ends all containers and returns when they are gone.
    func stop() async
}

/// What is to run.
package struct ContainerSpecification: Sendable {
    package var image: PinnedImage
    /// Whose it is, for credentials.
    package var namespace: String
    /// For people who look at the engine: `namespace/name`.
    package var function: String
    /// `NAME=value`, over the image's own.
    package var environment: [String]
    /// Bytes of the whole container; what it writes to its root counts too.
    package var memory: Int64
    package var processes: Int
    /// Where it listens.
    package var port: Int

    package init(
        image: PinnedImage, namespace: String, function: String, environment: [String], memory: Int64,
        processes: Int = 512, port: Int
    ) {
        self.image = image
        self.namespace = namespace
        self.function = function
        self.environment = environment
        self.memory = memory
        self.processes = processes
        self.port = port
    }
}

/// A container as its owner drives it. All methods return at once.
package protocol RunningContainer: AnyObject, Sendable {
    /// A connection to what listens in the container, not blocking; `nil`: nobody listens yet. Throws when the container
    /// cannot be reached at all. May take a moment: not for a thread that must not wait.
    func connect() throws(ContainerError) -> Int32?

    /// Ends it, whatever it does; the handler is told.
    func kill()

    /// Ends its program, with all that this has written handed over before the handler is told: for who wants to know why
    /// it failed. Takes a moment longer than ``kill()``.
    func finish()

    /// Stops all that it runs until it is thawed.
    func freeze()
    func thaw()

    /// Hands over what it has written so far, as far as that can be known, and then calls back.
    func readLogs(then body: @escaping @Sendable () -> Void)
}

/// What a container tells its owner, one call at a time, from a thread that must not be held.
package protocol ContainerHandler: AnyObject, Sendable {
    /// Its program runs: from now on it can be connected to.
    func containerStarted(_ container: any RunningContainer)
    /// Bytes that it wrote; valid during the call only.
    func container(_ container: any RunningContainer, wrote bytes: UnsafeRawBufferPointer, toError: Bool)
    /// It is gone, or never came to be: the last call. All that it wrote was handed over before.
    func container(_ container: any RunningContainer, ended end: WorkerEnd)
}
