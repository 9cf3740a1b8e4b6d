// SPDX-License-Identifier: Apache-2.0
import io.spiffe.svid.jwtsvid.JwtSvid;
import io.spiffe.workloadapi.DefaultWorkloadApiClient;
import io.spiffe.workloadapi.Watcher;
import io.spiffe.workloadapi.WorkloadApiClient;
import io.spiffe.workloadapi.X509Context;
import java.util.Set;

/** Takes all that the SPIFFE Workload API gives by java-spiffe as it is, and says what came, line by line. */
public final class Main {
  public static void main(String[] arguments) throws Exception {
    WorkloadApiClient client = DefaultWorkloadApiClient.newClient();
    client.watchX509Context(new Watcher<X509Context>() {
      @Override
      public void onUpdate(X509Context update) {
        var svid = update.getDefaultSvid();
        var bundles = update.getX509BundleSet().getBundles().values();
        var anchors = bundles.stream().mapToInt(bundle -> bundle.getX509Authorities().size()).sum();
        say("svid id=%s certificate=%x anchors=%d", svid.getSpiffeId(), svid.getLeaf().getSerialNumber(), anchors);
      }

      @Override
      public void onError(Throwable error) {
        say("watch-error %s", text(error));
      }
    });
    token(client);
    Thread.sleep(Long.MAX_VALUE);
  }

  private static void token(WorkloadApiClient client) {
    try {
      JwtSvid token = client.fetchJwtSvid("server");
      JwtSvid validated = client.validateJwtSvid(token.getToken(), "server");
      JwtSvid parsed = JwtSvid.parseAndValidate(token.getToken(), client.fetchJwtBundles(), Set.of("server"));
      say("jwt id=%s validated=%s parsed=%s", token.getSpiffeId(), validated.getSpiffeId(), parsed.getSpiffeId());
      client.fetchJwtSvid("somebody-else");
      say("other-audience granted");
    } catch (Throwable error) {
      say("jwt-error %s", text(error));
    }
  }

  private static String text(Throwable error) {
    var text = new StringBuilder();
    for (Throwable each = error; each != null; each = each.getCause()) text.append(each).append("; ");
    return text.toString().replace('\n', ' ');
  }

  private static void say(String format, Object... values) {
    System.out.printf(format + "%n", values);
  }
}
