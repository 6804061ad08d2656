import static io.gatling.javaapi.core.CoreDsl.*;
import static io.gatling.javaapi.http.HttpDsl.*;

import io.gatling.javaapi.core.ScenarioBuilder;
import io.gatling.javaapi.core.Simulation;
import java.util.concurrent.atomic.AtomicInteger;

/** As many users as sessions are to be open at once, each running one session after another until none is left. */
public class BenchSimulation extends Simulation {
  private static final String EXECUTE =
      "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"execute\",\"params\":{\"command\":\"bench\"}}";
  // No step may take longer, in seconds.
  private static final int PATIENCE = 30;

  private final String url = System.getProperty("peer.url");
  private final int sessions = Integer.getInteger("peer.sessions");
  private final int atOnce = Integer.getInteger("peer.atOnce");
  private final AtomicInteger left = new AtomicInteger(sessions);

  private final ScenarioBuilder users =
      scenario("bench")
          .asLongAs(session -> left.getAndDecrement() > 0, "session")
          .on(
              exec(
                  ws("connect")
                      .connect(url)
                      .await(PATIENCE)
                      .on(
                          ws.checkTextMessage("connected")
                              .check(jsonPath("$.method").is("connected"))),
                  ws("execute")
                      .sendText(EXECUTE)
                      .await(PATIENCE)
                      .on(
                          ws.checkTextMessage("line")
                              .matching(jsonPath("$.method").in("process.output", "process.completed"))
                              .check(
                                  jsonPath("$.method").is("process.output"),
                                  jsonPath("$.params.data").is("Line 0: \n")),
                          ws.checkTextMessage("completed")
                              // A second line is one too many.
                              .matching(jsonPath("$.method").in("process.output", "process.completed"))
                              .check(
                                  jsonPath("$.method").is("process.completed"),
                                  jsonPath("$.params.exit_code").ofInt().is(0))),
                  ws("close").close()));

  {
    setUp(users.injectOpen(atOnceUsers(atOnce)))
        .assertions(
            global().failedRequests().count().is(0L),
            details("completed").successfulRequests().count().is((long) sessions));
  }
}
