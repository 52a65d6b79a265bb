import CloudEvents

/// What anybody may know: which service this is, what it runs, and its limits.
extension WhiskFace {
    /// `GET /`. Deployment tools want the runtimes and the limits of it.
    func rootDocument() -> JSONValue {
        let rates = throttle.rates
        return [
            "description": "OpenWhisk",
            "support": ["github": "https://github.com/apache/openwhisk/issues", "slack": "http://slack.openwhisk.org"],
            "api_paths": ["/api/v1"],
            "limits": [
                "actions_per_minute": .integer(Int64(rates.invocationsPerMinute)),
                "triggers_per_minute": .integer(Int64(rates.firesPerMinute)),
                "concurrent_actions": .integer(Int64(rates.concurrentInvocations)),
                "sequence_length": .integer(Int64(WhiskBounds.sequenceLength)),
                "default_min_action_duration": .integer(WhiskBounds.timeout.lowerBound),
                "default_max_action_duration": .integer(WhiskBounds.timeout.upperBound),
                "default_min_action_memory": .integer(WhiskBounds.memory.lowerBound << 20),
                "default_max_action_memory": .integer(WhiskBounds.memory.upperBound << 20),
                "default_min_action_logs": .integer(WhiskBounds.logs.lowerBound << 20),
                "default_max_action_logs": .integer(WhiskBounds.logs.upperBound << 20),
                "min_action_duration": .integer(WhiskBounds.timeout.lowerBound),
                "max_action_duration": .integer(WhiskBounds.timeout.upperBound),
                "min_action_memory": .integer(WhiskBounds.memory.lowerBound << 20),
                "max_action_memory": .integer(WhiskBounds.memory.upperBound << 20),
                "min_action_logs": .integer(WhiskBounds.logs.lowerBound << 20),
                "max_action_logs": .integer(WhiskBounds.logs.upperBound << 20),
            ],
            "runtimes": runtimes.document,
        ]
    }

    /// `GET /api/v1`; `wsk property get` shows the build.
    func versionDocument() -> JSONValue {
        [
            "description": "OpenWhisk API", "api_version": "1.0.0", "api_version_path": "v1",
            "build": "2026-01-01T00:00:00Z", "buildno": "weir",
            "swagger_paths": ["ui": "/docs", "api-docs": "/api-docs"],
        ]
    }

    /// `GET …/limits`
    func limitsDocument() -> JSONValue {
        let rates = throttle.rates
        return [
            "invocationsPerMinute": .integer(Int64(rates.invocationsPerMinute)),
            "concurrentInvocations": .integer(Int64(rates.concurrentInvocations)),
            "firesPerMinute": .integer(Int64(rates.firesPerMinute)),
            "maxActionInstances": .integer(Int64(rates.concurrentInvocations)),
            "minActionMemory": .integer(WhiskBounds.memory.lowerBound),
            "maxActionMemory": .integer(WhiskBounds.memory.upperBound),
            "minActionTimeout": .integer(WhiskBounds.timeout.lowerBound),
            "maxActionTimeout": .integer(WhiskBounds.timeout.upperBound),
            "minActionLogs": .integer(WhiskBounds.logs.lowerBound),
            "maxActionLogs": .integer(WhiskBounds.logs.upperBound),
            "minActionConcurrency": .integer(WhiskBounds.concurrency.lowerBound),
            "maxActionConcurrency": .integer(WhiskBounds.concurrency.upperBound),
            "maxParameterSize": "1 MB",
        ]
    }
}

/// What an action, a payload and a wait may be.
enum WhiskBounds {
    /// Milliseconds.
    static let timeout = Int64(100)...300_000
    /// Megabytes.
    static let memory = Int64(128)...512
    static let logs = Int64(0)...10
    static let concurrency = Int64(1)...1
    static let sequenceLength = 50
    /// Bytes of the parameters or annotations of an entity, of a payload and of a web action's body.
    static let payload = 1 << 20
    static let code = 48 << 20
    /// Milliseconds that a blocking call waits at most.
    static let wait = 60_000
}
