// pgjdbc, unchanged, as an agent uses it: `java -cp postgresql.jar WithPgjdbc.java direct|agent HOST PORT`.

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.StringReader;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.copy.CopyIn;
import org.postgresql.copy.CopyManager;

public class WithPgjdbc {
    static final String CARD = "4" + "1".repeat(15);
    static final String MASKED = "411111******1111";
    static final int MEGABYTE = 1 << 20;
    static final int ROWS = 10_000;
    static boolean agent;
    static String url;

    interface Check { void on(Connection c) throws Exception; }

    public static void main(String[] args) {
        try {
            expect(args[0].equals("direct") || args[0].equals("agent"), "the mode is `direct` or `agent`");
            agent = args[0].equals("agent");
            url = "jdbc:postgresql://" + args[1] + ":" + args[2] + "/postgres";
            try (Connection c = connect("")) {
                expect(pg(c).getBackendPID() > 0, "the backend's pid");
                ok("connect");
                run(c, "simple", WithPgjdbc::simple);
                run(c, "prepared", WithPgjdbc::prepared);
                run(c, "parameters", WithPgjdbc::parameters);
                run(c, "masked", WithPgjdbc::masked);
                run(c, "copy-out", WithPgjdbc::copyOut);
                run(c, "copy-in", WithPgjdbc::copyIn);
                run(c, "cancel", WithPgjdbc::cancel);
                run(c, "notify", WithPgjdbc::listen);
                run(c, "transactions", WithPgjdbc::transactions);
                run(c, "pipeline", WithPgjdbc::batch);
                run(c, "error", WithPgjdbc::errors);
                if (agent) run(c, "refused", WithPgjdbc::refused);
                run(c, "nulls", WithPgjdbc::nulls);
                run(c, "big", WithPgjdbc::big);
                run(c, "many", WithPgjdbc::many);
                run(c, "cursor", WithPgjdbc::cursor);
                run(c, "metadata", WithPgjdbc::metadata);
            }
            ok("close");
            for (String mode : new String[] {"simple", "extendedForPrepared", "extendedCacheEverything"}) {
                try (Connection c = connect("preferQueryMode=" + mode)) {
                    prepared(c);
                    masked(c);
                    batch(c);
                    ok("query-mode-" + mode);
                }
            }
        } catch (Throwable reason) {
            for (StackTraceElement at : reason.getStackTrace()) {
                if (at.getClassName().startsWith("WithPgjdbc") && !at.getMethodName().equals("expect")) {
                    System.out.println("FAILED at line " + at.getLineNumber() + ": " + (reason + "").replace(CARD, "CARD"));
                    break;
                }
            }
            System.exit(1);
        }
    }

    static void ok(String name) { System.out.println("ok " + name); }

    static void expect(boolean condition, String reason) {
        if (!condition) throw new AssertionError(reason);
    }

    static void run(Connection c, String name, Check check) throws Exception {
        check.on(c);
        ok(name);
    }

    static Connection connect(String more) throws SQLException {
        return DriverManager.getConnection(url + "?user=app&loginTimeout=20&ApplicationName=jdbc&" + more);
    }

    static PGConnection pg(Connection c) throws SQLException { return c.unwrap(PGConnection.class); }

    static String one(Connection c, String sql) throws SQLException {
        try (Statement s = c.createStatement(); ResultSet r = s.executeQuery(sql)) {
            r.next();
            return r.getString(1);
        }
    }

    static void act(Connection c, String sql) throws SQLException {
        try (Statement s = c.createStatement()) { s.execute(sql); }
    }

    static SQLException fails(Connection c, String sql, String state) throws SQLException {
        try {
            act(c, sql);
        } catch (SQLException e) {
            expect(state.equals(e.getSQLState()), e.getSQLState() + ", not " + state);
            return e;
        }
        throw new AssertionError(state + " was expected");
    }

    static boolean luhn(String digits) {
        int sum = 0;
        for (int place = 0; place < digits.length(); place++) {
            int value = (digits.charAt(digits.length() - 1 - place) - '0') * (1 + place % 2);
            sum += value > 9 ? value - 9 : value;
        }
        return sum % 10 == 0;
    }

    static void textCard(String value, String what) {
        expect(value.equals(agent ? MASKED : CARD), what + (agent ? ": not masked" : ": changed"));
    }

    static void numberCard(String value, String what) {
        expect(value.matches("411111[0-9]{6}1111"), what + ": the ends or the length changed");
        expect(luhn(value) != agent, what + (agent ? ": still a card" : ": no card any more"));
    }

    static void hidden(String text, int cards, String what) {
        String wanted = agent ? MASKED : CARD;
        int found = (text.length() - text.replace(wanted, "").length()) / wanted.length();
        expect(found == cards, what + ": " + found + " of " + cards + " cards are " + (agent ? "masked" : "whole"));
        expect(!agent || !text.contains(CARD), what + ": a card came through");
    }

    static void simple(Connection c) throws SQLException {
        expect(one(c, "SELECT 1").equals("1"), "SELECT 1");
        try (Statement s = c.createStatement()) {
            s.execute("SELECT 1; SELECT 2");
            expect(s.getMoreResults(), "two results of one text");
        }
    }

    static void prepared(Connection c) throws SQLException {
        // After five executions the driver names the statement, and asks for binary results.
        try (PreparedStatement p = c.prepareStatement("SELECT ?::int + 1, ?::text, ?::int8, ?::float8, ?::timestamp")) {
            for (int n = 0; n < 12; n++) {
                p.setInt(1, n);
                p.setString(2, "x".repeat(n));
                p.setLong(3, 1L << 40);
                p.setDouble(4, 1.5);
                p.setTimestamp(5, new java.sql.Timestamp(86_400_000L * n));
                try (ResultSet r = p.executeQuery()) {
                    expect(r.next() && r.getInt(1) == n + 1 && r.getString(2).length() == n, "a prepared statement");
                    expect(r.getLong(3) == 1L << 40 && r.getDouble(4) == 1.5, "binary results");
                    expect(r.getTimestamp(5).getTime() == 86_400_000L * n, "a timestamp");
                }
            }
        }
    }

    static void parameters(Connection c) throws SQLException {
        try (PreparedStatement p = c.prepareStatement("SELECT ?::text, ?::bytea, ?::int[]")) {
            p.setString(1, "ü€😀");
            p.setBytes(2, new byte[] {0, -1});
            p.setArray(3, c.createArrayOf("int4", new Integer[] {1, 2}));
            try (ResultSet r = p.executeQuery()) {
                r.next();
                expect(r.getString(1).equals("ü€😀") && r.getBytes(2)[1] == -1, "parameters of several types");
                expect(((Integer[]) r.getArray(3).getArray())[1] == 2, "an array");
            }
        }
        try (PreparedStatement p = c.prepareStatement("SELECT id FROM payments WHERE pan = ? AND pan_int = ? AND pan_num = ?")) {
            p.setString(1, CARD);
            p.setLong(2, Long.parseLong(CARD));
            p.setBigDecimal(3, new BigDecimal(CARD));
            try (ResultSet r = p.executeQuery()) { expect(r.next() && r.getInt(1) == 1, "a card in parameters"); }
        }
    }

    static void masked(Connection c) throws SQLException {
        String sql = "SELECT pan, pan_int, pan_num, meta->>'pan', raw, cvv, amount, ARRAY[pan], ARRAY[pan_int], p::text FROM payments p WHERE id = ?";
        try (PreparedStatement p = c.prepareStatement(sql)) {
            for (int n = 0; n < 8; n++) {
                p.setInt(1, 1);
                try (ResultSet r = p.executeQuery()) {
                    r.next();
                    textCard(r.getString(1), "text");
                    numberCard("" + r.getLong(2), "int8");
                    numberCard("" + r.getBigDecimal(3), "numeric");
                    textCard(r.getString(4), "json's text");
                    textCard(new String(r.getBytes(5), StandardCharsets.UTF_8), "bytea");
                    expect(r.getString(6).equals(agent ? "***" : "121") && r.getString(7).equals("10.00"), "cvv and amount");
                    // What holds a sensitive value beside others is masked whole.
                    String first = ((String[]) r.getArray(8).getArray())[0];
                    expect(agent ? first.equals("*".repeat(16)) : first.equals(CARD), "an array");
                    numberCard("" + ((Long[]) r.getArray(9).getArray())[0], "an array of int8");
                    expect(r.getString(10).contains(CARD.substring(4)) != agent, "a whole row as text");
                }
            }
        }
    }

    static void copyOut(Connection c) throws Exception {
        CopyManager copies = pg(c).getCopyAPI();
        for (String options : new String[] {"", "(FORMAT csv)", "(FORMAT binary)"}) {
            ByteArrayOutputStream into = new ByteArrayOutputStream();
            expect(copies.copyOut("COPY payments (id, pan) TO STDOUT " + options, into) == 5, "rows of a COPY");
            hidden(into.toString(StandardCharsets.ISO_8859_1), 1, "COPY TO " + options);
        }
    }

    static void copyIn(Connection c) throws Exception {
        act(c, "DELETE FROM plain");
        CopyManager copies = pg(c).getCopyAPI();
        StringBuilder lines = new StringBuilder();
        for (int n = 0; n < ROWS; n++) lines.append(n).append("\tnote ").append(n).append('\n');
        expect(copies.copyIn("COPY plain FROM STDIN", new StringReader(lines.toString())) == ROWS, "rows of a COPY");
        byte[] csv = "-1,one\n-2,\n".getBytes(StandardCharsets.UTF_8);
        expect(copies.copyIn("COPY plain FROM STDIN (FORMAT csv)", new ByteArrayInputStream(csv)) == 2, "rows of a CSV COPY");
        expect(one(c, "SELECT count(note) FROM plain").equals("" + (ROWS + 1)), "rows copied in");
        CopyIn given = copies.copyIn("COPY plain FROM STDIN");
        given.writeToCopy(csv, 0, 3);
        given.cancelCopy();
        expect(one(c, "SELECT count(*) FROM plain").equals("" + (ROWS + 2)), "a COPY that was given up");
        act(c, "DELETE FROM plain");
    }

    static void cancel(Connection c) throws Exception {
        try (Connection other = connect(""); Statement sleeping = c.createStatement()) {
            SQLException[] ended = new SQLException[1];
            Thread thread = new Thread(() -> {
                try {
                    sleeping.execute("SELECT pg_catalog.pg_sleep(60)");
                } catch (SQLException e) {
                    ended[0] = e;
                }
            });
            thread.start();
            String asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND pid = " + pg(c).getBackendPID();
            while (one(other, asleep).equals("0")) Thread.onSpinWait();
            sleeping.cancel();
            thread.join();
            expect(ended[0] != null && ended[0].getSQLState().equals("57014"), "a cancelled statement");
        }
        expect(one(c, "SELECT 1").equals("1"), "after a cancel");
        try (Statement s = c.createStatement()) {
            s.setQueryTimeout(1);
            s.execute("SELECT pg_catalog.pg_sleep(60)");
            throw new AssertionError("the statement went on");
        } catch (SQLException e) {
            expect(e.getSQLState().equals("57014"), "a statement that took too long: " + e.getSQLState());
        }
        expect(one(c, "SELECT 1").equals("1"), "after a timeout");
    }

    static void listen(Connection c) throws Exception {
        try (Connection other = connect("")) {
            act(c, "LISTEN jobs");
            act(other, "NOTIFY jobs, 'first'");
            act(other, "NOTIFY jobs, 'card " + CARD + "'");
            PGNotification[] first = pg(c).getNotifications(20_000);
            expect(first[0].getName().equals("jobs") && first[0].getParameter().equals("first"), "a notification");
            expect(first[0].getPID() == pg(other).getBackendPID(), "the notifying backend's own pid");
            PGNotification second = first.length > 1 ? first[1] : pg(c).getNotifications(20_000)[0];
            hidden(second.getParameter(), 1, "a payload");
            act(c, "UNLISTEN jobs");
        }
    }

    static void transactions(Connection c) throws SQLException {
        c.setAutoCommit(false);
        act(c, "INSERT INTO plain VALUES (1, 'gone')");
        c.rollback();
        act(c, "INSERT INTO plain VALUES (2, 'stays')");
        java.sql.Savepoint point = c.setSavepoint("s");
        act(c, "INSERT INTO plain VALUES (3, 'gone')");
        fails(c, "SELECT 1 / 0", "22012");
        fails(c, "SELECT 1", "25P02");
        c.rollback(point);
        c.releaseSavepoint(point);
        act(c, "INSERT INTO plain VALUES (4, 'stays')");
        c.commit();
        c.setAutoCommit(true);
        expect(one(c, "SELECT string_agg(id::text, ' ' ORDER BY id) FROM plain").equals("2 4"), "what was committed");
        act(c, "DELETE FROM plain");
    }

    static void batch(Connection c) throws SQLException {
        try (PreparedStatement p = c.prepareStatement("INSERT INTO plain VALUES (?, ?)")) {
            for (int n = 0; n < 1000; n++) {
                p.setInt(1, n);
                p.setString(2, "n" + n);
                p.addBatch();
            }
            expect(p.executeBatch().length == 1000, "a batch");
        }
        expect(one(c, "SELECT sum(id) FROM plain").equals("499500"), "a batch's rows");
        try (Statement s = c.createStatement()) {
            for (String sql : new String[] {"DELETE FROM plain", "INSERT INTO plain VALUES (1 / 0, '')", "SELECT 3"}) s.addBatch(sql);
            s.executeBatch();
            throw new AssertionError("an error was expected");
        } catch (BatchUpdateException e) {
            expect("22012".equals(e.getSQLState()), "a failing batch: " + e.getSQLState());
        }
        if (agent) {
            try (Statement s = c.createStatement()) {
                for (String sql : new String[] {"UPDATE plain SET id = 1", "DROP TABLE payments", "UPDATE plain SET id = 2"}) s.addBatch(sql);
                s.executeBatch();
                throw new AssertionError("a refusal was expected");
            } catch (BatchUpdateException e) {
                expect("42501".equals(e.getSQLState()), "a refused batch: " + e.getSQLState());
            }
        }
        act(c, "DELETE FROM plain");
    }

    static void errors(Connection c) throws SQLException {
        fails(c, "SELECT 1 / 0", "22012");
        fails(c, "SELECT * FROM nowhere", agent ? "42501" : "42P01");
        fails(c, "SELECT 'x'::int", "22P02");
        expect(one(c, "SELECT 1").equals("1"), "after errors");
        SQLException e = fails(c, "SELECT (pan || ' x')::date FROM payments WHERE id = 1", agent ? "42501" : "22007");
        hidden(e.getMessage(), agent ? 0 : 1, "an error's text"); // a cast whose failure would quote the value is refused
    }

    static void refused(Connection c) throws SQLException {
        int pid = pg(c).getBackendPID();
        for (int n = 0; n < 8; n++) {
            fails(c, n % 2 == 0 ? "DROP TABLE payments" : "DELETE FROM payments", "42501");
            expect(one(c, "SELECT pg_backend_pid()").equals("" + pid), "after a refusal");
        }
        c.setAutoCommit(false);
        act(c, "SELECT 1");
        fails(c, "DROP TABLE payments", "42501");
        fails(c, "SELECT 1", "25P02");
        c.rollback();
        c.setAutoCommit(true);
        expect(one(c, "SELECT count(*) FROM payments").equals("5"), "the table is still there");
    }

    static void nulls(Connection c) throws SQLException {
        try (PreparedStatement p = c.prepareStatement("SELECT NULL, ?::int, ''")) {
            for (int n = 0; n < 8; n++) {
                p.setNull(1, Types.INTEGER);
                try (ResultSet r = p.executeQuery()) {
                    r.next();
                    expect(r.getString(1) == null && r.getInt(2) == 0 && r.wasNull() && r.getString(3).isEmpty(), "NULLs");
                }
            }
        }
    }

    static void big(Connection c) throws SQLException {
        String value = "y".repeat(MEGABYTE);
        try (PreparedStatement p = c.prepareStatement("INSERT INTO plain VALUES (1, ?)")) {
            p.setString(1, value);
            p.execute();
        }
        expect(one(c, "SELECT note FROM plain").equals(value), "a megabyte there and back");
        String text = one(c, "SELECT repeat('x', " + MEGABYTE + ") || ' ' || (meta->>'pan') || ' ' || repeat('z', " + MEGABYTE + ") FROM payments WHERE id = 1");
        expect(text.length() == 2 * MEGABYTE + 18, "the length of a big value");
        hidden(text, 1, "a card inside of two megabytes");
        act(c, "DELETE FROM plain");
    }

    static final String MANY = "SELECT g, pan, pan_int FROM payments, generate_series(1, " + ROWS + ") g WHERE id = 1 ORDER BY g";

    static void rows(Statement s) throws SQLException {
        int seen = 0;
        try (ResultSet r = s.executeQuery(MANY)) {
            while (r.next()) {
                expect(r.getInt(1) == ++seen, "every row, in order");
                textCard(r.getString(2), "text of many rows");
                numberCard(r.getString(3), "int8 of many rows");
            }
        }
        expect(seen == ROWS, "every row");
    }

    static void many(Connection c) throws SQLException {
        try (Statement s = c.createStatement()) { rows(s); }
    }

    static void cursor(Connection c) throws SQLException {
        c.setAutoCommit(false);
        try (Statement s = c.createStatement()) {
            s.setFetchSize(333);
            rows(s);
            try (ResultSet r = s.executeQuery(MANY)) { expect(r.next(), "a cursor that is left"); }
        }
        c.commit();
        c.setAutoCommit(true);
    }

    static void metadata(Connection c) throws SQLException {
        try (ResultSet r = c.getMetaData().getColumns(null, "public", "payments", null)) {
            int columns = 0;
            while (r.next()) columns++;
            expect(columns == 9, "the columns by DatabaseMetaData");
        }
        try (ResultSet r = c.getMetaData().getTables(null, "public", null, new String[] {"TABLE"})) { expect(r.next(), "tables"); }
        try (ResultSet r = c.getMetaData().getPrimaryKeys(null, "public", "payments")) { expect(r.next(), "a primary key"); }
    }
}
