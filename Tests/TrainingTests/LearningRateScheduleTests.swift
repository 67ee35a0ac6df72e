import Jobs
import Testing
import Training

private func recipe(
    _ kind: LearningRateScheduleName = .linear, warmup: Double = 0, epochs: Double = 1, maxSteps: Int? = nil,
    maxTime: Double? = nil
) -> Recipe {
    var recipe = Recipe(learningRate: 1, warmupRatio: warmup, weightDecay: 0, numTrainEpochs: epochs)
    recipe.lrSchedulerType = kind
    recipe.maxSteps = maxSteps
    recipe.maxTime = maxTime.map(TimeLimit.seconds) ?? .none
    return recipe
}

@Test func linearScheduleMatchesHuggingFace() {
    let schedule = LearningRateSchedule(recipe: recipe(), stepsPerEpoch: 5)
    let rates = (0..<5).map { schedule.learningRate(step: $0, elapsedSeconds: 0) }
    // get_linear_schedule_with_warmup(num_warmup_steps=0, num_training_steps=5)
    for (rate, expected) in zip(rates, [1.0, 0.8, 0.6, 0.4, 0.2]) { #expect(abs(rate - expected) < 1e-12) }
}

@Test func otherSchedulesMatchHuggingFace() {
    func rates(_ recipe: Recipe) -> [Double] {
        let schedule = LearningRateSchedule(recipe: recipe, stepsPerEpoch: 8)
        return (0..<8).map { schedule.learningRate(step: $0, elapsedSeconds: 0) }
    }
    var stable = recipe(.warmupStableDecay)
    stable.decayRatio = 0.5
    let expected: [(Recipe, [Double])] = [
        // get_cosine_schedule_with_warmup(num_warmup_steps=0, num_training_steps=8)
        (recipe(.cosine), [1, 0.961_939_8, 0.853_553_4, 0.691_341_7, 0.5, 0.308_658_3, 0.146_446_6, 0.038_060_2]),
        (recipe(.constant), [1, 1, 1, 1, 1, 1, 1, 1]),
        // get_wsd_schedule(num_warmup_steps=0, num_stable_steps=4, num_decay_steps=4, decay_type="linear")
        (stable, [1, 1, 1, 1, 1, 0.75, 0.5, 0.25]),
    ]
    for (recipe, expected) in expected {
        for (rate, expected) in zip(rates(recipe), expected) {
            #expect(abs(rate - expected) < 1e-6, "\(recipe.lrSchedulerType)")
        }
    }
}

@Test(arguments: [LearningRateScheduleName.linear, .cosine, .warmupStableDecay])
func rateWarmsUpDecaysAndStaysPositive(kind: LearningRateScheduleName) {
    let schedule = LearningRateSchedule(recipe: recipe(kind, warmup: 0.1), stepsPerEpoch: 100)
    let rates = (0..<100).map { schedule.learningRate(step: $0, elapsedSeconds: 0) }
    #expect(rates.allSatisfy { $0 > 0 && $0 <= 1 })
    #expect(rates[..<10] == ArraySlice(rates[..<10].sorted()))
    #expect(rates[10...] == ArraySlice(rates[10...].sorted(by: >)))
    #expect(rates.max() == 1)
}

@Test func totalStepsIsLimitedByEpochsAndMaxSteps() {
    #expect(LearningRateSchedule(recipe: recipe(epochs: 2.5), stepsPerEpoch: 3).totalSteps == 8)
    #expect(LearningRateSchedule(recipe: recipe(epochs: 2, maxSteps: 4), stepsPerEpoch: 3).totalSteps == 4)
    #expect(LearningRateSchedule(recipe: recipe(epochs: 1, maxSteps: 4), stepsPerEpoch: 3).totalSteps == 3)
}

@Test func maxTimeDrivesRateIfItEndsFirst() {
    let schedule = LearningRateSchedule(recipe: recipe(maxTime: 100), stepsPerEpoch: 1000)
    #expect(schedule.learningRate(step: 10, elapsedSeconds: 50) == 0.5)
    #expect(schedule.learningRate(step: 750, elapsedSeconds: 50) == 0.25)
    #expect(schedule.learningRate(step: 20, elapsedSeconds: 100) == 0)
    #expect(schedule.isOver(step: 20, elapsedSeconds: 100))
    #expect(!schedule.isOver(step: 20, elapsedSeconds: 99))
    #expect(!schedule.isOver(step: 0, elapsedSeconds: 1000), "a run takes at least one step")
}

@Test func remainingIsLimitedByStepsAndTime() {
    let schedule = LearningRateSchedule(recipe: recipe(maxTime: 100), stepsPerEpoch: 1000)
    let byTime = schedule.remaining(step: 10, elapsedSeconds: 50, secondsPerStep: 1)
    #expect(byTime.steps == 50 && byTime.seconds == 50)
    let bySteps = schedule.remaining(step: 990, elapsedSeconds: 50, secondsPerStep: 1)
    #expect(bySteps.steps == 10 && bySteps.seconds == 10)
}

@Test func distantMaxTimeDoesNotChangeRate() {
    var schedule = LearningRateSchedule(recipe: recipe(maxTime: 100), stepsPerEpoch: 1000)
    schedule.expect(seconds: 49)
    let bySteps = LearningRateSchedule(recipe: recipe(), stepsPerEpoch: 1000)
    for (step, seconds) in [(0, 0.0), (0, 10), (10, 0.4), (10, 49), (900, 49.9)] {
        #expect(
            schedule.learningRate(step: step, elapsedSeconds: seconds)
                == bySteps.learningRate(step: step, elapsedSeconds: seconds))
    }
    // The steps take longer than expected: the run still ends in time, with a rate of 0.
    #expect(schedule.learningRate(step: 10, elapsedSeconds: 75) == 0.25)
    #expect(schedule.isOver(step: 10, elapsedSeconds: 100) && !schedule.isOver(step: 10, elapsedSeconds: 99))
    // Time counts once the run is a tenth later than expected, and in any case for the last twentieth of the time.
    schedule.expect(seconds: 80)
    #expect(schedule.learningRate(step: 500, elapsedSeconds: 87) == 0.5)
    #expect(abs(schedule.learningRate(step: 500, elapsedSeconds: 89) - 0.11) < 1e-12)
    schedule.expect(seconds: 99)
    #expect(schedule.learningRate(step: 500, elapsedSeconds: 94) == 0.5)
    #expect(abs(schedule.learningRate(step: 500, elapsedSeconds: 96) - 0.04) < 1e-12)
    // If the steps are expected to take longer, or it is not known how long, time counts from the beginning.
    for seconds in [101, nil] as [Double?] {
        var slow = LearningRateSchedule(recipe: recipe(maxTime: 100), stepsPerEpoch: 1000)
        slow.expect(seconds: seconds)
        #expect(slow.learningRate(step: 10, elapsedSeconds: 25) == 0.75)
    }
}
