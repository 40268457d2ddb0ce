"""Short-lived certificates renewed under load: nobody notices."""
import ssl

from harness import *


class Renewal(CaCase):
    def test_certificates_are_renewed_under_load_without_one_failed_request(self):
        self.ca(validity=24)
        self.serve(acme='renew_at = "1/3"')
        root = self.pebble.root_file()

        def first():
            try:
                return https_get(self.https, "app.example.net", root)[0] == 200
            except (ssl.SSLError, OSError):
                return False
        wait_for(first, "the first certificate", 30)
        stop = threading.Event()
        failures, counts, serials = [], [0, 0], set()

        def fresh_connections():
            while not stop.is_set():
                try:
                    with handshake(self.https, "app.example.net", root) as stream:
                        serials.add(stream.getpeercert()["serialNumber"])
                        status, _, _ = request_over(stream, "app.example.net")
                    if status != 200:
                        failures.append(status)
                    counts[0] += 1
                except Exception as e:  # any failure at all is what this test is about
                    failures.append(repr(e))

        def one_long_connection():
            try:
                stream = handshake(self.https, "app.example.net", root)
                connection = http.client.HTTPConnection("app.example.net")
                connection.sock = stream
                while not stop.is_set():
                    connection.request("GET", "/")
                    answer = connection.getresponse()
                    answer.read()
                    if answer.status != 200:
                        failures.append(answer.status)
                    counts[1] += 1
                stream.close()
            except Exception as e:
                failures.append(repr(e))

        threads = [threading.Thread(target=t) for t in
                   [fresh_connections] * 2 + [one_long_connection] * 2]
        for t in threads:
            t.start()
        try:
            wait_for(lambda: len(serials) >= 4 and min(counts) > 20 or failures, "three renewals under load", 120)
        finally:
            stop.set()
            for t in threads:
                t.join()
        self.assertEqual(failures, [])


if __name__ == "__main__":
    main()
