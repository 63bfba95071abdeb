import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

/** Writes the lines of a stream of NDJSON, as they come. */
class Consume {
    public static void main(String[] args) throws Exception {
        var request = HttpRequest.newBuilder(URI.create(args[0])).build();
        HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofLines()).body().forEach(System.out::println);
    }
}
