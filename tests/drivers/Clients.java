// JDBC's DatabaseMetaData, and a result read in parts, as tools over JDBC do.
//
// usage: java -cp postgresql.jar Clients.java HOST PORT USER PASSWORD DATABASE OPTIONS CA_FILE
//
// Prints `CLIENT<tab>CASE<tab>OUTCOME` for each case; exits with 1 at the first that does not give what it must.

import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.HashSet;
import java.util.Properties;
import java.util.Set;

public final class Clients {
    private static void told(String what, String outcome) {
        System.out.println("JDBC\t" + what + "\t" + outcome);
    }

    private static void check(boolean holds, String what) {
        if (!holds) {
            throw new IllegalStateException(what);
        }
    }

    private static Set<String> all(ResultSet rows, String column) throws SQLException {
        Set<String> found = new HashSet<>();
        while (rows.next()) {
            found.add(rows.getString(column));
        }
        rows.close();
        return found;
    }

    public static void main(String[] args) throws SQLException {
        Properties with = new Properties();
        with.setProperty("user", args[2]);
        with.setProperty("password", args[3]);
        with.setProperty("options", args[5]);
        with.setProperty("sslmode", "verify-full");
        with.setProperty("sslrootcert", args[6]);
        String url = "jdbc:postgresql://" + args[0] + ":" + args[1] + "/" + args[4];
        try (Connection connection = DriverManager.getConnection(url, with)) {
            names(connection.getMetaData());
            rest(connection.getMetaData());
            rows(connection);
            refused(connection);
        }
    }

    private static void names(DatabaseMetaData meta) throws SQLException {
        check(meta.getDatabaseProductName().equals("PostgreSQL"), "product");
        check(!meta.getSQLKeywords().isEmpty() && !meta.getSystemFunctions().isEmpty(), "keywords");
        check(!all(meta.getCatalogs(), "TABLE_CAT").isEmpty(), "catalogs");
        check(!all(meta.getSchemas(), "TABLE_SCHEM").isEmpty(), "schemas");
        check(!all(meta.getTableTypes(), "TABLE_TYPE").isEmpty(), "table types");
        Set<String> tables = all(meta.getTables(null, null, "%", null), "TABLE_NAME");
        check(tables.contains("people") && tables.contains("incidents"), "tables " + tables);
        Set<String> columns = all(meta.getColumns(null, null, "people", "%"), "COLUMN_NAME");
        check(columns.contains("person_id") && !columns.contains("ssn"), "columns " + columns);
        told("`DatabaseMetaData`: catalogs, schemas, tables, columns", "works");
    }

    private static void rest(DatabaseMetaData meta) throws SQLException {
        all(meta.getPrimaryKeys(null, null, "people"), "COLUMN_NAME");
        all(meta.getImportedKeys(null, null, "people"), "PKTABLE_NAME");
        all(meta.getExportedKeys(null, null, "people"), "FKTABLE_NAME");
        all(meta.getCrossReference(null, null, "people", null, null, "incidents"), "FKTABLE_NAME");
        all(meta.getIndexInfo(null, null, "people", false, true), "INDEX_NAME");
        all(meta.getBestRowIdentifier(null, null, "people", DatabaseMetaData.bestRowSession, true), "COLUMN_NAME");
        all(meta.getVersionColumns(null, null, "people"), "COLUMN_NAME");
        all(meta.getTablePrivileges(null, null, "people"), "PRIVILEGE");
        all(meta.getColumnPrivileges(null, null, "people", "%"), "PRIVILEGE");
        told("`DatabaseMetaData`: keys, indexes, identifiers, rights", "works");
        check(!all(meta.getTypeInfo(), "TYPE_NAME").isEmpty(), "types");
        all(meta.getUDTs(null, null, "%", null), "TYPE_NAME");
        all(meta.getProcedures(null, null, "%"), "PROCEDURE_NAME");
        all(meta.getProcedureColumns(null, null, "%", "%"), "COLUMN_NAME");
        all(meta.getFunctions(null, null, "%"), "FUNCTION_NAME");
        all(meta.getFunctionColumns(null, null, "%", "%"), "COLUMN_NAME");
        all(meta.getClientInfoProperties(), "NAME");
        told("`DatabaseMetaData`: types, functions, procedures, client information", "works");
    }

    private static void rows(Connection connection) throws SQLException {
        int counted;
        try (Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery("select count(*) from people")) {
            check(rows.next(), "a count");
            counted = rows.getInt(1);
        }
        connection.setAutoCommit(false);
        connection.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
        try (Statement statement = connection.createStatement()) {
            statement.setFetchSize(50);
            int seen = 0;
            try (ResultSet rows = statement.executeQuery("select * from people")) {
                check(rows.getMetaData().getColumnCount() > 1 && rows.getMetaData().isNullable(1) >= 0, "columns");
                while (rows.next()) {
                    seen++;
                }
            }
            check(seen == counted, "all rows");
        }
        connection.commit();
        connection.setAutoCommit(true);
        told("`setFetchSize`: a result in parts, in a transaction", "works");
        for (int turn = 0; turn < 10; turn++) {
            try (PreparedStatement statement = connection.prepareStatement("select * from people where person_id = ?")) {
                statement.setInt(1, turn);
                check(statement.getParameterMetaData().getParameterCount() == 1, "one parameter");
                statement.executeQuery().close();
            }
        }
        told("prepared on the server after five times", "works");
        connection.setClientInfo("ApplicationName", "Clients");
        check(connection.isValid(10) && connection.getSchema() != null, "valid");
        told("`isValid`, `setClientInfo`, `getSchema`", "works");
    }

    private static void refused(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.executeUpdate("update people set person_id = 1");
        } catch (SQLException error) {
            told("an update", "refused: " + error.getSQLState());
            check(connection.isValid(10), "it goes on");
            return;
        }
        throw new IllegalStateException("an update was not refused");
    }
}
