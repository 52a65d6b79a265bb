/// What process a worker is: policy has decided it, the launcher only does it.
package struct WorkerSpecification: Sendable, Hashable {
    /// How messages lie on the worker's channel.
    package enum Framing: Sendable, Hashable {
        /// `u32` length, little-endian, then the message; on a socket pair at descriptor 3, a ledger at descriptor 4.
        case lengthPrefixed
        /// One line a message on stdin and stdout.
        case lines
        /// One line a message: to the worker on stdin, from it on descriptor 3. What it writes to stdout is a log.
        case actionLoop

        /// Whether stdin and stdout are the messages themselves, and only stderr is a log.
        var isOnStandardStreams: Bool { self == .lines }
    }

    /// How the process comes to be.
    package enum Role: Sendable, Hashable {
        /// It is started as a program.
        case program
        /// A program that forks others: it gets a socket for that on descriptor 5. Only in a sandbox.
        case zygote
        /// A zygote forks it: of the arguments, the environment and the directory nothing counts. A stem says when it waits.
        case forked(isStem: Bool)
    }

    /// One limit of setrlimit(2), soft and hard.
    package struct ResourceLimit: Sendable, Hashable {
        package enum Resource: Sendable { case memory, addressSpace, openFiles, fileSize, coreSize, processes }
        package var resource: Resource
        package var value: UInt64

        package init(_ resource: Resource, _ value: UInt64) {
            self.resource = resource
            self.value = value
        }
    }

    /// The first is the absolute path of the program.
    package var arguments: [String]
    /// `NAME=value`; nothing is added.
    package var environment: [String]
    /// The working directory, absolute.
    package var directory: String
    package var limits: [ResourceLimit]
    package var framing: Framing
    /// The longest message that the worker may send; more is misbehaviour.
    package var maximumMessage: Int
    package var role: Role = .program
    /// What it may see and use; `nil`: not isolated, by the wish of who starts it.
    package var sandbox: SandboxSpecification?

    package init(
        arguments: [String], environment: [String], directory: String, limits: [ResourceLimit], framing: Framing,
        maximumMessage: Int, sandbox: SandboxSpecification? = nil
    ) {
        self.arguments = arguments
        self.environment = environment
        self.directory = directory
        self.limits = limits
        self.framing = framing
        self.maximumMessage = maximumMessage
        self.sandbox = sandbox
    }
}

/// What a worker tells its owner. All calls come from the launcher's I/O thread, one at a time, and must not block.
package protocol WorkerHandler: AnyObject, Sendable {
    /// One whole message; the bytes are valid during the call only.
    func worker(_ worker: Worker, sent message: UnsafeRawBufferPointer)
    /// Bytes that it wrote to a log pipe; the bytes are valid during the call only.
    func worker(_ worker: Worker, wrote bytes: UnsafeRawBufferPointer, toError: Bool)
    /// It broke the protocol. It is being killed; `ended` follows.
    func worker(_ worker: Worker, misbehaved reason: String)
    /// It is gone, or never came to be; the last call. Everything that it had written was handed over before.
    func worker(_ worker: Worker, ended end: WorkerEnd)
}

/// How a worker ended.
package enum WorkerEnd: Sendable, Hashable {
    /// The process ended and was reaped.
    case exited(ExitRecord)
    /// The process could not be started.
    case notStarted(SandboxError)
    /// The launcher ended and took the process with it.
    case launcherLost
}

/// What the launcher saw when it reaped a process.
package struct ExitRecord: Sendable, Hashable {
    /// The exit status; `nil` when a signal ended it.
    package var status: Int32?
    /// The signal that ended it, 0 when none did.
    package var signal: Int32
    /// User and system time of the whole tree, microseconds.
    package var cpuMicroseconds: UInt64
    /// The most memory that the tree had at a time; without control groups the largest resident set of a process. Bytes.
    package var peakMemory: UInt64
    /// The kernel (or the server's watch) ended a process of it because it needed more memory than its limit.
    package var outOfMemory: Bool

    package init(
        status: Int32?, signal: Int32, cpuMicroseconds: UInt64, peakMemory: UInt64, outOfMemory: Bool = false
    ) {
        self.status = status
        self.signal = signal
        self.cpuMicroseconds = cpuMicroseconds
        self.peakMemory = peakMemory
        self.outOfMemory = outOfMemory
    }
}

/// What a worker's tree uses now.
package struct WorkerStatistics: Sendable, Hashable {
    package var memory: UInt64
    package var peakMemory: UInt64
    package var processes: Int
    package var cpuMicroseconds: UInt64
    /// The program where a zygote has forked it, else 0.
    var program: Int32 = 0
}
