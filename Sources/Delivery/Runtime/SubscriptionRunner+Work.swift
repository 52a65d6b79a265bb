import Channels
import CloudEvents
import Logging

extension SubscriptionRunner {
    /// Takes what came, asks the machine what to do, and has it done.
    func step() {
        guard !isStopping else { return }
        drainMailbox()
        readOwn()
        var actions: [DeliveryAction] = []
        let now = parts.clock.now()
        machine.poll(now: now, random: &random, actions: &actions)
        perform(actions)
        if !actions.isEmpty || machine.room > 0 { schedulePersist() }
        if let wake = machine.nextWake(now: now), timer.map({ wake < $0 }) ?? true {
            timer = wake
            jobQueue.yield(.sleep(until: wake))
        }
    }

    // MARK: Taking

    func drainMailbox() {
        let fed = machine.openPartitions.filter { own[$0] == nil }
        // Asked before the box is emptied: everything below it is in the box by then.
        let offered = fed.map { parts.router.offered($0) }
        while machine.room > 0, let entry = mailbox.take() {
            switch entry {
            case .left(let partition, let at):
                machine.advance(partition: partition, to: at)
                own[partition] = OwnReading()
            case .offer(let batch, let indices):
                let room = machine.room
                for index in indices.prefix(room) { offer(batch, Int(index)) }
                if indices.count > room { mailbox.giveBack(.offer(batch, ContiguousArray(indices.dropFirst(room)))) }
            }
        }
        for (partition, offset) in zip(fed, offered) where own[partition] == nil && mailbox.isDrained(partition) {
            machine.advance(partition: partition, to: offset)
        }
    }

    private func readOwn() {
        for partition in own.keys.sorted() {
            guard machine.room > 0, var reading = own[partition], !reading.isReading else { continue }
            if let batch = reading.batch {
                while reading.cursor < batch.count, machine.room > 0 {
                    let index = reading.cursor
                    let passes = batch.withView(at: index) { filter.matches($0) && parts.visibility.allows($0) }
                    if passes { offer(batch, index) }
                    reading.cursor += 1
                }
                guard reading.cursor == batch.count else {
                    own[partition] = reading
                    continue
                }
                machine.advance(partition: partition, to: batch.nextOffset)
                reading = OwnReading()
            }
            let position = machine.position(ofPartition: partition)
            if parts.router.join(partition, at: position, mailbox: mailbox) {
                own[partition] = nil
            } else {
                reading.isReading = true
                own[partition] = reading
                jobQueue.yield(.read(partition: partition, from: position))
            }
        }
    }

    private func offer(_ batch: RecordBatch, _ index: Int) {
        let entry = batch.entries[index]
        let (key, depth) = batch.withView(at: index) { view in
            (parts.spec.policy.order == .key ? OrderKey.hash(of: view) : 0, Lineage.depth(of: view))
        }
        let slot = machine.offer(
            partition: batch.partition, offset: entry.offset, key: key, appended: entry.appended, depth: depth,
            now: parts.clock.now())
        guard let slot else { return }
        while payloads.count <= Int(slot) { payloads.append(nil) }
        payloads[Int(slot)] = (batch, index)
    }

    // MARK: Doing

    func perform(_ actions: [DeliveryAction]) {
        for action in actions {
            switch action {
            case .deliver(let batch, let slots, _):
                jobQueue.yield(.deliver(batch: batch, slots.compactMap { parcel($0) }))
            case .cancel(let batch):
                attempts[batch]?.cancel()
            case .settled(let slot):
                payloads[Int(slot)] = nil
            case .deadLetter(let slot, let attempts, let reason):
                guard let parcel = parcel(slot) else { continue }
                parts.log.warning(
                    "an event could not be delivered",
                    metadata: [
                        "subscription": "\(parts.key)", "offset": "\(parcel.offset)", "reason": "\(reason.code)",
                        "error": "\(reason.detail ?? "")",
                    ])
                let letter = Lineage.deadLetter(
                    parcel.event, subscription: parts.key.description, channel: parts.spec.channel,
                    partition: parcel.partition, offset: parcel.offset, attempts: attempts, reason: reason)
                jobQueue.yield(
                    .bury(slot: slot, .init(partition: parcel.partition, offset: parcel.offset), letter))
            }
        }
    }

    private func parcel(_ slot: UInt32) -> Parcel? {
        guard let (batch, index) = payloads[Int(slot)] else { return nil }
        return Parcel(
            event: batch.record(at: index), partition: batch.partition, offset: batch.entries[index].offset,
            attempt: machine.attempt(of: slot), appended: batch.entries[index].appended,
            floor: stored[batch.partition]?.progress.floor ?? 0)
    }

    /// Runs beside the actor's other work; comes back to it with the outcome.
    nonisolated func perform(_ job: Job) async {
        switch job {
        case .step: await step()
        case .sleep(let until):
            await parts.clock.sleep(max(0, until - parts.clock.now()))
            await timerFired(until)
        case .persist(let after):
            await parts.clock.sleep(after)
            await persistNow()
        case .read(let partition, let from):
            do throws(ChannelError) {
                let batch = try await parts.router.channel.read(partition: partition, from: from, limit: ReadLimit())
                await didRead(partition, from, batch)
            } catch {
                await noteFailure("\(parts.spec.channel): \(error.message)")
                await parts.clock.sleep(1_000)
                await didRead(partition, from, nil)
            }
        case .bury(let slot, let event, let letter):
            let (isAllowed, token) = await beginAppend([event.partition])
            let isKept = isAllowed ? await keep(letter) : false
            await buried(slot, isKept)
            await ended(token, [event], isSettled: isKept)
        case .deliver(let batch, let parcels):
            let task = Task { await self.parts.sink.deliver(parcels) }
            await begin(batch, task)
            let answers = await withTaskCancellationHandler {
                await task.value
            } onCancel: {
                task.cancel()
            }
            let replies = answers.flatMap { answer in answer.outcome == .delivered ? answer.replies : [] }
            guard !replies.isEmpty else {
                await finished(batch, answers.map(\.outcome))
                return
            }
            let (isAllowed, token) = await beginAppend(Set(parcels.map(\.partition)))
            let outcomes =
                isAllowed
                ? await keepReplies(replies, answers)
                : answers.map { _ in .retry("the partition is another server's by now") }
            let wasAwaited = await finished(batch, outcomes)
            await ended(
                token, parcels.map { .init(partition: $0.partition, offset: $0.offset) },
                isSettled: wasAwaited && outcomes.allSatisfy { $0 == .delivered })
        }
    }

    /// Appends the replies; when that fails the events they belong to are tried again.
    private nonisolated func keepReplies(_ replies: [EventRecord], _ answers: [SinkAnswer]) async -> [DeliveryOutcome] {
        let name = parts.spec.policy.reply ?? parts.spec.channel
        var problem = "the reply channel \"\(name)\" does not exist"
        if let channel = parts.channel(name) {
            do throws(ChannelError) {
                _ = try await channel.append(replies)
                return answers.map(\.outcome)
            } catch {
                problem = "the reply cannot be kept: \(error.message)"
            }
        }
        return answers.map { $0.replies.isEmpty ? $0.outcome : .retry(problem) }
    }

    private nonisolated func keep(_ letter: EventRecord) async -> Bool {
        guard let name = parts.spec.policy.deadLetter else { return true }
        guard let channel = parts.channel(name) else {
            await noteFailure("the dead-letter channel \"\(name)\" does not exist")
            return false
        }
        do throws(ChannelError) {
            _ = try await channel.append([letter])
            return true
        } catch {
            await noteFailure("the dead letter cannot be kept: \(error.message)")
            return false
        }
    }

    // MARK: Coming back

    private func begin(_ batch: UInt32, _ task: Task<[SinkAnswer], Never>) { attempts[batch] = task }

    /// - Returns: whether the machine waited for it: an attempt whose time was over counts no more.
    @discardableResult
    private func finished(_ batch: UInt32, _ outcomes: [DeliveryOutcome]) -> Bool {
        let wasAwaited = machine.awaits(batch)
        attempts[batch] = nil
        failure = nil
        for outcome in outcomes {
            switch outcome {
            case .delivered: break
            case .retry(let why, _), .rejected(let why): failure = why
            }
        }
        var actions: [DeliveryAction] = []
        machine.completed(
            batch, outcomes: outcomes, now: parts.clock.now(), random: &random, actions: &actions)
        perform(actions)
        step()
        return wasAwaited
    }

    private func buried(_ slot: UInt32, _ isDurable: Bool) {
        var actions: [DeliveryAction] = []
        machine.deadLettered(
            slot, isDurable: isDurable, now: parts.clock.now(), random: &random, actions: &actions)
        perform(actions)
        step()
    }

    private func didRead(_ partition: Int, _ from: UInt64, _ batch: RecordBatch?) {
        own[partition]?.isReading = false
        // A partition that went and came again may stand elsewhere by now.
        if let batch, own[partition] != nil, machine.position(ofPartition: partition) == from {
            for gap in batch.gaps {
                parts.log.warning(
                    "events are lost to a subscription",
                    metadata: ["subscription": "\(parts.key)", "offsets": "\(gap.offsets)", "why": "\(gap.reason)"])
            }
            if batch.isEmpty {
                machine.advance(partition: partition, to: batch.nextOffset)
            } else {
                own[partition]?.batch = batch
                own[partition]?.cursor = 0
            }
        }
        step()
    }

    private func noteFailure(_ why: String) { failure = why }

    private func timerFired(_ time: Int64) {
        if timer == time { timer = nil }
        step()
    }

    private func persistNow() async {
        guard !isStopping else { return }
        drainMailbox()
        let isKept = await persist()
        if isKept {
            isPersisting = false
            if hasUnkeptProgress { schedulePersist() }
        } else {
            jobQueue.yield(.persist(after: 1_000))
        }
    }
}

/// By what events are kept in order.
enum OrderKey {
    private static let hasher = ByteHash(secret: 0x5745_4952)

    /// A number for `partitionkey`, else the subject, else the source; two keys of one number merely share their order.
    static func hash(of view: EventView) -> UInt64 {
        guard let text = view.attribute("partitionkey") ?? view.attribute("subject") ?? view.attribute("source") else {
            return 0
        }
        return UInt64(hasher.tag(text, parent: 1, kind: 0)) << 32 | UInt64(hasher.tag(text, parent: 2, kind: 0))
    }
}
