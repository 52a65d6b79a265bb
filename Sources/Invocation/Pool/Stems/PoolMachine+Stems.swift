internal import DequeModule

/// Keeps stems ready, hands them out, and lets them go.
extension PoolMachine {
    /// For how long uses are counted as one, milliseconds; two such periods make the target.
    private static var period: Int64 { 30_000 }

    /// Makes a flavour known. A usual one, or one that the configuration names, has its floor, which is made when nothing
    /// else starts; others have stems only after they were asked for.
    mutating func know(_ flavour: String, isUsual: Bool = false, canFork: Bool = true, _ now: Int64) {
        var policy = configuration.stemsByFlavour[flavour] ?? configuration.stems
        policy.hasZygote = policy.hasZygote && canFork
        if let known = stems.flavours[flavour]?.policy {
            guard isUsual, known.floor < policy.floor else { return }
        } else if !isUsual, configuration.stemsByFlavour[flavour] == nil {
            policy.floor = 0
        }
        stems.flavours[flavour, default: Stems.Flavour(policy: policy, lastUse: now)].policy = policy
        timers.arm(.stems, at: now)
    }

    /// How a worker comes to be; a stem is taken for it when there is one.
    mutating func way(for definition: Definition, _ now: Int64, _ actions: inout [Action]) -> (StartWay, WorkerID?) {
        if definition.isContainer { return (.container, nil) }
        guard let flavour = definition.flavour, stems.flavours[flavour] != nil else { return (.exec(.unfit), nil) }
        stems.flavours[flavour]?.used += 1
        stems.flavours[flavour]?.lastUse = now
        stems.isOwed = true
        timers.arm(.stems, at: now + Self.period)
        guard (stems.flavours[flavour]?.notBefore ?? 0) <= now else { return (.exec(.noneReady), nil) }
        // The one that has waited longest has surely warmed up.
        if let stem = stems.flavours[flavour]?.ready.popFirst() {
            stems.members[stem] = nil
            stems.flavours[flavour]?.failures = 0
            stems.isOwed = true
            return (.stem, stem)
        }
        guard let forker = stems.forker(for: flavour) else { return (.exec(.noneReady), nil) }
        stems.flavours[forker]?.lastUse = now
        return (.zygote, nil)
    }

    /// Nobody waits for a worker any more: stems may be made soon.
    mutating func restBeforeStems(_ now: Int64, _ actions: inout [Action]) {
        let until = stems.restUntil ?? now + configuration.stemRest
        stems.restUntil = until
        if now >= until { tendStems(now, &actions) } else { timers.arm(.stems, at: until) }
    }

    /// Lets go what is too much and makes what is too little.
    mutating func tendStems(_ now: Int64, _ actions: inout [Action]) {
        guard !isStopping else { return }
        stems.isOwed = false
        let rotates = now - stems.rotated >= Self.period
        if rotates { stems.rotated = now }
        var next = Int64.max
        for name in stems.flavours.keys.sorted() {
            if rotates, let used = stems.flavours[name]?.used {
                stems.flavours[name]?.usedBefore = used
                stems.flavours[name]?.used = 0
            }
            expireStems(name, now, &actions, &next)
            tendZygote(name, now, &actions, &next)
            refill(name, now, &actions, &next)
            if let flavour = stems.flavours[name], flavour.used + flavour.usedBefore > 0 {
                next = min(next, stems.rotated + Self.period)
            }
        }
        if !stems.isOwed { stems.restUntil = nil }
        timers.arm(.stems, at: next)
    }

    private mutating func expireStems(
        _ name: String, _ now: Int64, _ actions: inout [Action], _ next: inout Int64
    ) {
        while let flavour = stems.flavours[name], flavour.ready.count > flavour.target,
            let oldest = flavour.ready.first, let since = stems.members[oldest]?.since
        {
            guard now - since >= flavour.policy.ttl else {
                next = min(next, since + flavour.policy.ttl)
                return
            }
            stems.flavours[name]?.ready.removeFirst()
            endStem(oldest, &actions)
        }
    }

    private mutating func tendZygote(
        _ name: String, _ now: Int64, _ actions: inout [Action], _ next: inout Int64
    ) {
        guard let flavour = stems.flavours[name], flavour.policy.hasZygote else { return }
        let unused = flavour.lastUse + flavour.policy.zygoteGrace
        let isWanted = flavour.policy.floor > 0 || now < unused
        if let zygote = flavour.zygote {
            if !isWanted {
                endStem(zygote, &actions)
            } else if flavour.policy.floor == 0 {
                next = min(next, unused)
            }
            return
        }
        guard isWanted, stems.makesZygote(name) else { return }
        guard flavour.notBefore <= now else {
            next = min(next, flavour.notBefore)
            return
        }
        let zygote = begin(.zygote, name, flavour.policy, now)
        stems.flavours[name]?.zygote = zygote
        actions.append(.startZygote(zygote, flavour: name))
    }

    /// Makes one stem more, if one is wanted and nobody waits for a start of a real worker.
    private mutating func refill(
        _ name: String, _ now: Int64, _ actions: inout [Action], _ next: inout Int64
    ) {
        guard let flavour = stems.flavours[name], flavour.starting == 0, flavour.ready.count < flavour.target else {
            return
        }
        guard mayMakeStems else {
            stems.isOwed = true
            return
        }
        guard flavour.notBefore <= now else {
            next = min(next, flavour.notBefore)
            return
        }
        // A stem of a zygote that is on its way comes five times as fast.
        if flavour.policy.hasZygote, stems.hasZygote(name), !stems.canFork(name), flavour.failures == 0 { return }
        let stem = begin(.stem, name, flavour.policy, now)
        stems.flavours[name]?.starting += 1
        actions.append(.startStem(stem, flavour: name))
    }

    /// Whether nobody waits for a worker.
    var mayMakeStems: Bool { stems.startsUnderway == 0 && contenders.isEmpty }

    private mutating func begin(_ role: Stems.Role, _ name: String, _ policy: StemPolicy, _ now: Int64) -> WorkerID {
        let id = takeWorkerID()
        let due = now + policy.startTimeout
        stems.members[id] = Stems.Member(flavour: name, role: role, since: now, due: due)
        timers.arm(.worker(id), at: due)
        return id
    }

    // MARK: They speak

    mutating func stemReady(_ id: WorkerID, _ now: Int64, _ actions: inout [Action]) {
        guard let member = stems.members[id], !member.isReady, !member.isDying else { return }
        counters.stems += 1
        stems.members[id]?.isReady = true
        stems.members[id]?.since = now
        stems.members[id]?.due = .max
        if member.role == .stem {
            stems.flavours[member.flavour]?.starting -= 1
            stems.flavours[member.flavour]?.ready.append(id)
        }
        tendStems(now, &actions)
    }

    /// One is gone, whoever ended it.
    mutating func stemEnded(_ id: WorkerID, _ now: Int64, _ actions: inout [Action]) {
        guard let member = stems.members.removeValue(forKey: id) else { return }
        timers.cancel(.worker(id))
        if !member.isDying {
            leave(id, member)
            // One that has lived for a while is no sign of a fault that stays.
            if member.isReady, now - member.since >= Self.period { stems.flavours[member.flavour]?.failures = 0 }
            stems.distrust(member.flavour, now)
        }
        tendStems(now, &actions)
    }

    /// One does not come up.
    mutating func lookAtStem(_ id: WorkerID, _ now: Int64, _ actions: inout [Action]) {
        guard let member = stems.members[id], !member.isReady, !member.isDying, member.due <= now else { return }
        endStem(id, &actions)
        stems.distrust(member.flavour, now)
        tendStems(now, &actions)
    }

    private mutating func endStem(_ id: WorkerID, _ actions: inout [Action]) {
        guard let member = stems.members[id], !member.isDying else { return }
        leave(id, member)
        stems.members[id]?.isDying = true
        actions.append(.kill(id, .idle))
    }

    /// It is no more one of those that its flavour counts.
    private mutating func leave(_ id: WorkerID, _ member: Stems.Member) {
        switch member.role {
        case .zygote: stems.flavours[member.flavour]?.zygote = nil
        case .stem where member.isReady: stems.flavours[member.flavour]?.ready.removeAll { $0 == id }
        case .stem: stems.flavours[member.flavour]?.starting -= 1
        }
    }

    mutating func stopStems(_ now: Int64, _ actions: inout [Action]) {
        timers.cancel(.stems)
        for id in stems.members.keys.sorted() { endStem(id, &actions) }
    }
}
