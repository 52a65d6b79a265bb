internal import CloudEvents
internal import Functions
internal import Glibc
internal import Sandboxes
internal import Staging

extension FunctionInvoker {
    /// How many calls of a batch are given their files together at most.
    private static var batchLimit: Int { 64 }

    /// Runs calls of a function that is given files or leaves some, one after the other; a handler of batches gets as many
    /// as go into one frame.
    func runStaged(
        _ calls: [FunctionCall], _ function: FunctionReference, _ version: FunctionVersion
    ) async -> [Activation] {
        guard let staging = surroundings.staging else {
            let error = StagingError(.mount, "this server neither brings files in nor takes them out")
            let now = TimeOfDay.milliseconds
            return zip(calls, ids(of: calls[...], at: now)).map { failed($0, $1, function, error, submitted: now) }
        }
        let canAttach = isolation?.canAttach == true
        let run = StagedRun(
            staging: staging, version: version, canAttach: canAttach, hasLandlock: isolationLevel == 1,
            hasOwnUsers: canAttach && geteuid() == 0)
        var activations: [Activation] = []
        var rest = calls[...]
        while !rest.isEmpty {
            // How the handler takes its events is known when it has run once.
            let count = takesBatches(version) ? batch(rest) : 1
            activations += await runStaged(rest.prefix(count), function, run)
            rest = rest.dropFirst(count)
        }
        return activations
    }

    private func batch(_ calls: ArraySlice<FunctionCall>) -> Int {
        var bytes = 0
        for (count, call) in calls.enumerated() {
            if case .event(let record) = call.input { bytes += record.bytes.count }
            if count == min(Self.batchLimit, configuration.frameCalls) || bytes >= configuration.frameBytes {
                return max(1, count)
            }
        }
        return calls.count
    }

    private func runStaged(
        _ calls: ArraySlice<FunctionCall>, _ function: FunctionReference, _ run: StagedRun
    ) async -> [Activation] {
        let submitted = TimeOfDay.milliseconds
        let ids = ids(of: calls, at: submitted)
        var activations = [Activation?](repeating: nil, count: calls.count)
        var prepared: [(index: Int, run: StagedRun.Prepared)] = []
        for (index, call) in calls.enumerated() {
            // In a batch the place tells files of one name apart.
            let place = takesBatches(run.version) ? prepared.count : nil
            switch await run.prepare(call, id: ids[index], place: place) {
            case .success(let one): prepared.append((index, one))
            case .failure(let error):
                activations[index] = failed(call, ids[index], function, error, submitted: submitted)
            }
        }
        let done = await self.run(prepared.map(\.run.call), function, run.version)
        // The calls that a handler took together share one activation, and their files are one run's.
        var start = 0
        while start < done.count {
            var end = start + 1
            while end < done.count, done[end].id == done[start].id { end += 1 }
            var first = done[start]
            await run.finish(prepared[start..<end].map(\.run), &first)
            for index in start..<end {
                var one = done[index]
                (one.status, one.result) = (first.status, first.result)
                (one.inputs, one.outputs) = (first.inputs, first.outputs)
                one.published = index == start ? first.published : []
                activations[prepared[index].index] = one
            }
            start = end
        }
        run.remove(prepared.map(\.run))
        return activations.compactMap { $0 }
    }

    /// The activations of the calls that a job has left, when they could not be given their files.
    func failed(_ job: Job, _ error: StagingError) -> [Activation] {
        let calls = job.calls[job.settled...]
        return zip(calls, ids(of: calls, at: TimeOfDay.milliseconds)).map { call, id in
            failed(call, id, job.reference, error, submitted: job.submitted)
        }
    }

    private func failed(
        _ call: FunctionCall, _ id: String, _ function: FunctionReference, _ error: StagingError, submitted: Int64
    ) -> Activation {
        let now = TimeOfDay.milliseconds
        var activation = Activation(
            id: id, function: function, cause: call.cause, status: .stagingError, result: [], start: now, end: now,
            waitMilliseconds: max(0, now - submitted), isolation: isolationLevel)
        activation.fail(error)
        return activation
    }
}
